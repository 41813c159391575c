//! A SQLite VFS over the system's that remembers every write and sync, so that a test can ask afterwards what a disk
//! would hold if the power had gone at any moment; and that fails writes and syncs on demand.
//!
//! A write counts as durable once a sync of its file that began after it has ended. One whose sync failed is lost
//! for good, whatever a later sync says: that is how Linux behaves.

#![expect(unsafe_code, reason = "SQLite asks for a VFS through C")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi;
use weir::chat::event::Seq;
use weir::id::ConversationId;

/// What reached the disk, in order. Files are named without their directory.
#[derive(Debug, Clone)]
pub enum Op {
    Write {
        file: String,
        offset: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        size: usize,
    },
    /// Ended; it covers what came before `began`.
    Sync {
        file: String,
        began: usize,
    },
    SyncFailed {
        file: String,
        began: usize,
    },
    Delete {
        file: String,
    },
    /// The test was told that something is durable.
    Acknowledged(ConversationId, Seq),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Writes answer with this code and write nothing.
    Write(c_int),
    /// Half of it is written.
    TornWrite(c_int),
    Sync(c_int),
}

#[derive(Debug, Default)]
struct State {
    ops: Vec<Op>,
    /// The fault, and how many calls of its kind are spared first.
    fault: Option<(Fault, u64)>,
    /// The writer's syncs of the WAL do nothing: what `synchronous=NORMAL` leaves out.
    lazy: bool,
}

/// A disk under a VFS of its own.
pub struct Disk {
    pub name: String,
    state: Mutex<State>,
    real: *mut ffi::sqlite3_vfs,
}

// The real VFS is static, and everything else is behind the mutex.
unsafe impl Send for Disk {}
unsafe impl Sync for Disk {}

impl Disk {
    /// Registers a new VFS. It lives as long as the process.
    pub fn register() -> &'static Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("disk-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        unsafe {
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            let disk: &'static Self =
                Box::leak(Box::new(Self { name: name.clone(), state: Mutex::default(), real }));
            let mut vfs = *real;
            vfs.pNext = std::ptr::null_mut();
            vfs.zName = CString::new(name).expect("no zero byte").into_raw();
            vfs.szOsFile = (*real).szOsFile + size_of::<File>() as c_int;
            vfs.pAppData = std::ptr::from_ref(disk).cast_mut().cast();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0), ffi::SQLITE_OK);
            disk
        }
    }

    pub fn acknowledge(&self, id: ConversationId, seq: Seq) {
        self.state.lock().unwrap().ops.push(Op::Acknowledged(id, seq));
    }

    /// From now on, after `spared` more calls of that kind.
    pub fn fail(&self, fault: Fault, spared: u64) {
        self.state.lock().unwrap().fault = Some((fault, spared));
    }

    pub fn heal(&self) {
        self.state.lock().unwrap().fault = None;
    }

    pub fn make_lazy(&self) {
        self.state.lock().unwrap().lazy = true;
    }

    pub fn ops(&self) -> Vec<Op> {
        self.state.lock().unwrap().ops.clone()
    }
}

/// What the disk holds if the power goes after the first `cut` of `ops`; `survives` says which of the writes that no
/// sync covered got there all the same.
pub fn after_power_cut(
    ops: &[Op],
    cut: usize,
    mut survives: impl FnMut() -> bool,
) -> BTreeMap<String, Vec<u8>> {
    let ops = &ops[..cut];
    let mut durable = vec![false; cut];
    let mut lost = vec![false; cut];
    for op in ops {
        let (Op::Sync { file, began } | Op::SyncFailed { file, began }) = op else { continue };
        let verdict = if matches!(op, Op::Sync { .. }) { &mut durable } else { &mut lost };
        for (index, earlier) in ops[..*began].iter().enumerate() {
            verdict[index] |= earlier.file() == Some(file.as_str());
        }
    }
    let mut files = BTreeMap::new();
    for (index, op) in ops.iter().enumerate() {
        let reached = match (durable[index], lost[index]) {
            (true, false) => true,
            // Whether it was a sync before or after the failed one that covered it makes no difference to us:
            // the earlier ones are found first.
            (true, true) => covered_before_failure(ops, index),
            (false, true) => false,
            (false, false) => survives(),
        };
        match op {
            Op::Write { file, offset, bytes } if reached => {
                let content: &mut Vec<u8> = files.entry(file.clone()).or_default();
                content.resize(content.len().max(offset + bytes.len()), 0);
                content[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Op::Truncate { file, size } if reached => {
                files.entry(file.clone()).or_default().truncate(*size);
            }
            Op::Delete { file } => {
                files.remove(file);
            }
            Op::Write { .. } | Op::Truncate { .. } | Op::Sync { .. } | Op::SyncFailed { .. } => {}
            Op::Acknowledged(..) => {}
        }
    }
    files
}

fn covered_before_failure(ops: &[Op], index: usize) -> bool {
    let file = ops[index].file();
    for op in &ops[index..] {
        match op {
            Op::Sync { began, .. } if op.file() == file && *began > index => return true,
            Op::SyncFailed { began, .. } if op.file() == file && *began > index => return false,
            _ => {}
        }
    }
    false
}

/// Makes a directory of what a disk holds.
pub fn restore(files: &BTreeMap<String, Vec<u8>>, dir: &Path) {
    for (name, content) in files {
        std::fs::write(dir.join(name), content).unwrap();
    }
}

impl Op {
    fn file(&self) -> Option<&str> {
        match self {
            Self::Write { file, .. }
            | Self::Truncate { file, .. }
            | Self::Sync { file, .. }
            | Self::SyncFailed { file, .. }
            | Self::Delete { file } => Some(file),
            Self::Acknowledged(..) => None,
        }
    }
}

impl State {
    /// Whether this call is to fail, and how.
    fn strikes(&mut self, writes: bool) -> Option<Fault> {
        let (fault, spared) = self.fault.as_mut()?;
        if matches!(fault, Fault::Write(_) | Fault::TornWrite(_)) != writes {
            return None;
        }
        if *spared > 0 {
            *spared -= 1;
            return None;
        }
        Some(*fault)
    }
}

/// An open file; the real one lies right behind it.
#[repr(C, align(8))]
struct File {
    methods: *const ffi::sqlite3_io_methods,
    disk: *const Disk,
    name: *mut String,
}

unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<File>().add(1).cast() }
}

unsafe fn methods<'a>(file: *mut ffi::sqlite3_file) -> &'a ffi::sqlite3_io_methods {
    unsafe { &*(*real(file)).pMethods }
}

unsafe fn parts<'a>(file: *mut ffi::sqlite3_file) -> (&'a Disk, &'a str) {
    unsafe { (&*(*file.cast::<File>()).disk, (*(*file.cast::<File>()).name).as_str()) }
}

unsafe fn base_name(path: *const c_char) -> String {
    if path.is_null() {
        return "temporary".to_owned();
    }
    let path = unsafe { CStr::from_ptr(path) }.to_string_lossy();
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    unsafe {
        let disk = (*vfs).pAppData.cast::<Disk>();
        let opened = ((*(*disk).real).xOpen.unwrap())((*disk).real, path, real(file), flags, out);
        let ours = file.cast::<File>();
        (*ours).methods = std::ptr::null();
        if !(*real(file)).pMethods.is_null() {
            (*ours).methods = &raw const METHODS;
            (*ours).disk = disk;
            (*ours).name = Box::into_raw(Box::new(base_name(path)));
        }
        opened
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, path: *const c_char, sync: c_int) -> c_int {
    unsafe {
        let disk = &*(*vfs).pAppData.cast::<Disk>();
        let file = base_name(path);
        let mut state = disk.state.lock().unwrap();
        state.ops.push(Op::Delete { file });
        ((*disk.real).xDelete.unwrap())(disk.real, path, sync)
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Without xFetch: no memory-mapped files, so that every read and write comes by here.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe {
        drop(Box::from_raw((*file.cast::<File>()).name));
        (methods(file).xClose.unwrap())(real(file))
    }
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    to: *mut c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    unsafe { (methods(file).xRead.unwrap())(real(file), to, length, offset) }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    length: c_int,
    offset: i64,
) -> c_int {
    unsafe {
        let (disk, name) = parts(file);
        let mut state = disk.state.lock().unwrap();
        let (length, code) = match state.strikes(true) {
            Some(Fault::TornWrite(code)) => (length / 2, code),
            Some(Fault::Write(code) | Fault::Sync(code)) => return code,
            None => (length, ffi::SQLITE_OK),
        };
        let written = (methods(file).xWrite.unwrap())(real(file), from, length, offset);
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), length as usize).to_vec();
        state.ops.push(Op::Write { file: name.to_owned(), offset: offset as usize, bytes });
        if code == ffi::SQLITE_OK { written } else { code }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    unsafe {
        let (disk, name) = parts(file);
        let mut state = disk.state.lock().unwrap();
        state.ops.push(Op::Truncate { file: name.to_owned(), size: size as usize });
        (methods(file).xTruncate.unwrap())(real(file), size)
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    unsafe {
        let (disk, name) = parts(file);
        let file_name = name.to_owned();
        let began = {
            let mut state = disk.state.lock().unwrap();
            let by_writer = std::thread::current().name() == Some("store-write");
            if state.lazy && by_writer && name.ends_with("-wal") {
                return ffi::SQLITE_OK;
            }
            let began = state.ops.len();
            if let Some(Fault::Sync(code)) = state.strikes(false) {
                state.ops.push(Op::SyncFailed { file: file_name, began });
                return code;
            }
            began
        };
        let synced = (methods(file).xSync.unwrap())(real(file), flags);
        disk.state.lock().unwrap().ops.push(Op::Sync { file: file_name, began });
        synced
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    unsafe { (methods(file).xFileSize.unwrap())(real(file), size) }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    unsafe { (methods(file).xLock.unwrap())(real(file), level) }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    unsafe { (methods(file).xUnlock.unwrap())(real(file), level) }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    unsafe { (methods(file).xCheckReservedLock.unwrap())(real(file), out) }
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    unsafe { (methods(file).xFileControl.unwrap())(real(file), op, arg) }
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { (methods(file).xSectorSize.unwrap())(real(file)) }
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    unsafe { (methods(file).xDeviceCharacteristics.unwrap())(real(file)) }
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    unsafe { (methods(file).xShmMap.unwrap())(real(file), page, size, extend, out) }
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    offset: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    unsafe { (methods(file).xShmLock.unwrap())(real(file), offset, count, flags) }
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    unsafe { (methods(file).xShmBarrier.unwrap())(real(file)) }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, delete: c_int) -> c_int {
    unsafe { (methods(file).xShmUnmap.unwrap())(real(file), delete) }
}
