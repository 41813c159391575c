//! The one who writes the index: takes in everything there is, once, and from then on whatever changes.
//!
//! A commit of the index says which changes are in it. What is behind is read again after a crash, and a change is
//! forgotten only once a later commit than the one that took it in is on the disk: a power cut may take back the last.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{Search, State};
use crate::chat::searchable::{FILE_BYTES, Scan, Searchable, Subject};
use crate::runtime::files::media;
use crate::search::{self, Census, Index, Progress, Writer};
use crate::store;

/// Subjects that are read at a time.
const STRETCH: usize = 500;

/// Between two commits while there is much to do.
const COMMITS_EVERY: Duration = Duration::from_millis(350);

/// Between two commits where somebody waits.
const HURRIES: Duration = Duration::from_millis(30);

/// Between two commits while everything there is is taken in.
const SCAN_COMMITS_EVERY: Duration = Duration::from_secs(10);

/// Bytes of texts between two such commits: so much waits in memory at most to be taken in.
const SCAN_BYTES: u64 = 48 << 20;

/// So many subjects are taken in before that gives way to everything else: what a small server has is found soon, however
/// busy the machine is.
const SOON: usize = 4096;

/// After a failure that is not the index's.
const TRIES_AGAIN: Duration = Duration::from_secs(2);

/// What the operator wants done.
pub(super) enum Order {
    Rebuild,
    /// See whether it is what was written: a search could not read it.
    Doubt,
    /// Take what was deleted up to a position off the disk.
    Forget(u64, oneshot::Sender<Result<(), search::Error>>),
    /// Compare the index with everything there is.
    Check(oneshot::Sender<Result<Checked, search::Error>>),
}

/// What came of comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Checked {
    /// Texts that are in the index.
    pub texts: u64,
    /// Those that should be there and are not.
    pub missing: u64,
    /// Those that are there and should not be, or not so often.
    pub strange: u64,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Index(#[from] search::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the index does not go on where the conversations are")]
    Behind,
    #[error("it was asked for")]
    Wanted,
}

/// How what is done to the index stands beside everything else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// People wait for it.
    Prompt,
    /// It takes long, and what others leave over.
    Quiet,
}

/// The index in the hands of the one who writes it.
struct Work {
    index: Index,
    writer: Writer,
    progress: Progress,
    /// On the disk since before the last commit: these changes may be forgotten.
    safe: u64,
}

impl Search {
    /// Keeps the index in step for as long as it is polled.
    pub async fn run(&self) {
        let mut anew = false;
        loop {
            let failure = match self.open(anew).await {
                Ok(work) => self.keep_up(work).await,
                Err(error) => error,
            };
            anew = match &failure {
                Failure::Wanted => true,
                Failure::Behind
                | Failure::Index(
                    search::Error::Missing | search::Error::Outdated | search::Error::Damaged(_),
                ) => {
                    info!(reason = %failure, "the search index is made anew");
                    true
                }
                Failure::Index(search::Error::Unwritable(_)) | Failure::Store(_) => {
                    warn!(error = %failure, "the search index stands still for now");
                    tokio::time::sleep(TRIES_AGAIN).await;
                    false
                }
            };
        }
    }

    /// Opens what is there, or moves it aside and begins anew.
    async fn open(&self, anew: bool) -> Result<Work, Failure> {
        let position = self.0.store.search_position().await?;
        let epoch = self.0.store.epoch();
        let beginning = Progress { epoch, through: position, scan: Some(Scan::Messages { before: None }) };
        if anew {
            self.0.index.store(None);
        }
        let dir = self.0.dir.clone();
        let (index, progress) = match anew {
            true => self.promptly(move || begin(&dir, beginning)).await?,
            false => self.go_on(dir).await?,
        };
        if progress.epoch != epoch {
            return Err(search::Error::Outdated.into());
        }
        let writer = self.follower(&index).await?;
        self.tell(progress);
        if anew {
            // Whatever is there is taken in from now on.
            self.0.wanted.lock().retain(|order| !matches!(order, Order::Rebuild));
        }
        self.0.index.store(Some(index.clone().into()));
        Ok(Work { index, writer, progress, safe: 0 })
    }

    /// Opens what is there, if it is whole.
    async fn go_on(&self, dir: PathBuf) -> Result<(Index, Progress), search::Error> {
        let index = self
            .promptly(move || {
                // Where the one before was moved, if that was cut off.
                remove(&aside(&dir))?;
                Index::open(&dir)
            })
            .await?;
        let pace = if index.len() > SOON as u64 { Pace::Quiet } else { Pace::Prompt };
        let check = move || {
            index.check()?;
            let progress = index.progress()?.ok_or(search::Error::Missing)?;
            Ok((index, progress))
        };
        self.at(pace, check).await
    }

    async fn keep_up(&self, mut work: Work) -> Failure {
        loop {
            let done = match work.progress.scan {
                Some(from) => self.take_in(work, from).await,
                None => match self.tidy(work).await {
                    Ok(work) => self.follow(work).await,
                    Err(error) => Err(error.into()),
                },
            };
            match done {
                Ok(next) => work = next,
                Err(failure) => return failure,
            }
        }
    }

    /// Takes in everything there is, from there on.
    async fn take_in(&self, mut work: Work, from: Scan) -> Result<Work, Failure> {
        let (began, before) = (Instant::now(), work.index.len());
        let (mut writer, mut pace, mut taken) = (work.writer, Pace::Prompt, 0);
        let (mut from, mut committed, mut bytes) = (Some(from), Instant::now(), 0);
        while let Some(at) = from {
            let texts = self.0.store.scan_searchables(at, STRETCH).await?;
            let subjects = self.with_contents(texts.subjects).await;
            from = texts.next;
            taken += subjects.len();
            bytes +=
                subjects.iter().flat_map(|(_, texts)| texts).map(|text| text.text.len() as u64).sum::<u64>();
            let progress = Progress { scan: from, ..work.progress };
            let steps_back = pace == Pace::Prompt && taken >= SOON;
            let commits = from.is_none()
                || steps_back
                || bytes > SCAN_BYTES
                || committed.elapsed() > SCAN_COMMITS_EVERY;
            writer = self
                .at(pace, move || {
                    for (subject, texts) in &subjects {
                        writer.add(*subject, texts)?;
                    }
                    if commits {
                        writer.commit(progress)?;
                    }
                    Ok(writer)
                })
                .await?;
            if commits {
                (committed, bytes) = (Instant::now(), 0);
                work.progress = progress;
                self.tell(progress);
            }
            if self.is_wanted_anew() {
                return Err(Failure::Wanted);
            }
            if steps_back {
                pace = Pace::Quiet;
                // Two threads write while there is much to write.
                let index = work.index.clone();
                let again = move || {
                    writer.close()?;
                    Writer::new(&index, 2)
                };
                writer = self.at(pace, again).await?;
            }
        }
        self.at(pace, || writer.close()).await?;
        work.writer = self.follower(&work.index).await?;
        let (texts, took) = (work.index.len() - before, began.elapsed());
        info!(texts, ?took, "the search index has taken in everything there is");
        Ok(work)
    }

    /// Has small pieces become one in the background: there are many after everything was taken in, and where that was
    /// interrupted by a restart.
    async fn tidy(&self, work: Work) -> Result<Work, search::Error> {
        let mut writer = work.writer;
        let (writer, tidied) = self
            .promptly(move || {
                let tidied = writer.tidy()?;
                Ok((writer, tidied))
            })
            .await?;
        let (search, index) = (self.clone(), work.index.clone());
        tokio::spawn(async move {
            if let Err(error) = tidied.await {
                warn!(%error, "the search index stays in many pieces");
            } else if let Err(error) = search.quietly(move || index.reload()).await {
                warn!(%error, "searches do not see the index in fewer pieces");
            }
        });
        Ok(Work { writer, ..work })
    }

    /// Takes in what changes.
    async fn follow(&self, mut work: Work) -> Result<Work, Failure> {
        let mut changed = self.0.store.feed_changes();
        let mut due = Instant::now();
        let mut through = work.progress.through;
        let mut hurried = false;
        loop {
            changed.mark_unchanged();
            let Some(changes) = self.0.store.search_changes(through, STRETCH).await? else {
                return Err(Failure::Behind);
            };
            metrics::gauge!("weir_search_behind").set(changes.behind as f64);
            if !changes.subjects.is_empty() {
                through = changes.through;
                let subjects = self.with_contents(changes.subjects).await;
                let writer = work.writer;
                work.writer = self
                    .promptly(move || {
                        subjects.iter().try_for_each(|(subject, texts)| writer.replace(*subject, texts))?;
                        Ok(writer)
                    })
                    .await?;
            }
            if through > work.progress.through {
                let early = due.saturating_duration_since(Instant::now());
                if !hurried && !early.is_zero() {
                    // What comes meanwhile is in the same commit.
                    if !changes.more {
                        hurried = self.rest(early).await;
                    }
                    continue;
                }
                work = self.commit(work, through).await?;
                due = Instant::now() + COMMITS_EVERY;
                hurried = false;
            }
            if self.is_wanted_anew() {
                return Err(Failure::Wanted);
            }
            work = self.carry_out(work).await?;
            if changes.more {
                continue;
            }
            tokio::select! {
                Ok(()) = changed.changed() => {}
                () = self.0.orders.notified() => {}
            }
        }
    }

    /// Whether somebody was in a hurry.
    async fn rest(&self, pause: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = self.0.hurry.notified() => {
                tokio::time::sleep(HURRIES.min(pause)).await;
                true
            }
        }
    }

    async fn commit(&self, mut work: Work, through: u64) -> Result<Work, Failure> {
        let progress = Progress { through, ..work.progress };
        let mut writer = work.writer;
        work.writer = self
            .promptly(move || {
                writer.commit(progress)?;
                Ok(writer)
            })
            .await?;
        self.tell(progress);
        if work.safe < work.progress.through {
            work.safe = work.progress.through;
            self.0.store.forget_search_changes(work.safe).await?;
        }
        work.progress = progress;
        Ok(work)
    }

    async fn carry_out(&self, mut work: Work) -> Result<Work, Failure> {
        loop {
            let order = {
                let mut wanted = self.0.wanted.lock();
                let is_next = |order: &Order| match order {
                    Order::Rebuild => false,
                    Order::Doubt | Order::Check(_) => true,
                    Order::Forget(through, _) => *through <= work.progress.through,
                };
                let next = wanted.iter().position(is_next);
                next.map(|next| wanted.remove(next))
            };
            match order {
                None | Some(Order::Rebuild) => return Ok(work),
                Some(Order::Doubt) => {
                    let index = work.index.clone();
                    self.quietly(move || index.check()).await?;
                }
                Some(Order::Forget(_, answer)) => {
                    let (index, closing) = (work.index.clone(), work.writer);
                    let done = self.quietly(move || {
                        closing.close()?;
                        let mut writer = Writer::new(&index, 1)?;
                        let done = writer.forget_deleted();
                        writer.close()?;
                        Ok(done)
                    });
                    let done = done.await?;
                    work.writer = self.follower(&work.index).await?;
                    let _ = answer.send(done);
                }
                Some(Order::Check(answer)) => {
                    let checked = self.compare(&work.index, work.progress.through).await;
                    match checked {
                        Ok(checked) => drop(answer.send(Ok(checked))),
                        Err(Failure::Index(error)) => drop(answer.send(Err(error))),
                        Err(other) => return Err(other),
                    }
                }
            }
        }
    }

    /// Nothing is committed to the index meanwhile. What changes before it is looked at is left out.
    async fn compare(&self, index: &Index, mut through: u64) -> Result<Checked, Failure> {
        let (mut census, mut changed) = (Census::new(), HashSet::new());
        let mut from = Some(Scan::Messages { before: None });
        while let Some(at) = from {
            let texts = self.0.store.scan_searchables(at, STRETCH).await?;
            from = texts.next;
            // Asked afterwards: whatever the stretch has that is newer than the index is among it.
            let mut more = true;
            while more {
                let Some(changes) = self.0.store.search_changes(through, STRETCH).await? else {
                    return Err(Failure::Behind);
                };
                (through, more) = (changes.through, changes.more);
                let subjects = changes.subjects.into_iter().map(|(subject, _)| subject);
                changed.extend(subjects.filter(|subject| !at.is_past(*subject)));
            }
            let mut subjects = texts.subjects;
            subjects.retain(|(subject, _)| !changed.contains(subject));
            for (subject, texts) in &self.with_contents(subjects).await {
                search::count(&mut census, *subject, texts);
            }
        }
        let index = index.clone();
        let checked = self
            .quietly(move || {
                index.check()?;
                let there = index.census(&changed)?;
                let mut checked = Checked { texts: index.len(), missing: 0, strange: 0 };
                for (digest, count) in &there {
                    *census.entry(*digest).or_default() -= count;
                }
                for difference in census.into_values() {
                    match difference > 0 {
                        true => checked.missing += difference.unsigned_abs(),
                        false => checked.strange += difference.unsigned_abs(),
                    }
                }
                Ok(checked)
            })
            .await?;
        Ok(checked)
    }

    pub(super) fn is_wanted_anew(&self) -> bool {
        self.0.wanted.lock().iter().any(|order| matches!(order, Order::Rebuild))
    }

    fn tell(&self, progress: Progress) {
        self.0.state.send_replace(State { through: progress.through, incomplete: progress.scan.is_some() });
    }

    /// With what stands in files, where it is text.
    pub(super) async fn with_contents(
        &self,
        mut subjects: Vec<(Subject, Vec<Searchable>)>,
    ) -> Vec<(Subject, Vec<Searchable>)> {
        for text in subjects.iter_mut().flat_map(|(_, texts)| texts) {
            self.add_content(text).await;
        }
        subjects
    }

    pub(super) async fn add_content(&self, text: &mut Searchable) {
        let (Some(file), Some(files)) = (&text.file, &self.0.files) else { return };
        if !media::is_textual(&file.info.media_type) {
            return;
        }
        // A file that cannot be read can still be found by its name.
        match files.bytes(file, 0..file.info.size.min(FILE_BYTES)).await {
            Ok(bytes) => {
                text.text.push('\n');
                text.text.push_str(&String::from_utf8_lossy(&bytes));
            }
            Err(error) => warn!(%error, file = %file.info.id, "a file cannot be looked into for words"),
        }
    }

    /// Whoever writes what is said from now on.
    async fn follower(&self, index: &Index) -> Result<Writer, search::Error> {
        let index = index.clone();
        self.promptly(move || Writer::new(&index, 1)).await
    }

    async fn promptly<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, search::Error> + Send + 'static,
    ) -> Result<T, search::Error> {
        self.at(Pace::Prompt, f).await
    }

    async fn quietly<T: Send + 'static>(
        &self,
        f: impl FnOnce() -> Result<T, search::Error> + Send + 'static,
    ) -> Result<T, search::Error> {
        self.at(Pace::Quiet, f).await
    }

    /// Threads that the library begins meanwhile keep the pace.
    async fn at<T: Send + 'static>(
        &self,
        pace: Pace,
        f: impl FnOnce() -> Result<T, search::Error> + Send + 'static,
    ) -> Result<T, search::Error> {
        let whole = move || search::unbroken(f);
        match pace {
            Pace::Prompt => match tokio::task::spawn_blocking(whole).await {
                Ok(done) => done,
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            },
            Pace::Quiet => self.0.quiet.run(whole).await.expect("there is one who writes"),
        }
    }

    fn order(&self, order: Order) {
        self.0.wanted.lock().push(order);
        self.0.orders.notify_one();
    }

    /// Somebody could not read the index: it is looked at, and made anew if it is damaged.
    pub(super) fn doubt(&self) {
        let asked = self.0.wanted.lock().iter().any(|order| matches!(order, Order::Doubt));
        if !asked {
            self.order(Order::Doubt);
        }
    }

    /// Has the index made anew, in the background.
    pub fn rebuild(&self) {
        self.order(Order::Rebuild);
    }

    /// Compares the index with everything there is.
    pub async fn check(&self) -> Result<Checked, super::Error> {
        self.catch_up().await?;
        let (answer, answered) = oneshot::channel();
        self.order(Order::Check(answer));
        Ok(answered.await.map_err(|_| super::Error::NotYet)??)
    }

    /// Takes the words of what was deleted off the disk.
    pub async fn forget_deleted(&self) -> Result<(), super::Error> {
        let through = self.0.store.search_position().await?;
        let (answer, answered) = oneshot::channel();
        self.order(Order::Forget(through, answer));
        Ok(answered.await.map_err(|_| super::Error::NotYet)??)
    }
}

fn begin(dir: &Path, progress: Progress) -> Result<(Index, Progress), search::Error> {
    let aside = aside(dir);
    for gone in [aside.as_path(), dir] {
        match gone == dir && dir.exists() {
            true => std::fs::rename(dir, &aside).map_err(search::Error::Unwritable)?,
            false => remove(gone)?,
        }
    }
    let index = Index::create(dir)?;
    let mut writer = Writer::new(&index, 1)?;
    writer.commit(progress)?;
    writer.close()?;
    remove(&aside)?;
    Ok((index, progress))
}

fn aside(dir: &Path) -> PathBuf {
    dir.with_extension("old")
}

fn remove(dir: &Path) -> Result<(), search::Error> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(search::Error::Unwritable(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
