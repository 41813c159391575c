//! A release embeds the page; cargo must know when there is another one. A debug build reads it from the disk.

use std::path::Path;

fn main() {
    let is_embedded = std::env::var_os("CARGO_CFG_DEBUG_ASSERTIONS").is_none();
    let built = Path::new("web/app/dist");
    match is_embedded {
        true if built.exists() => println!("cargo::rerun-if-changed={}", built.display()),
        // It appears below here.
        true => println!("cargo::rerun-if-changed=web/app"),
        false => println!("cargo::rerun-if-changed=build.rs"),
    }
}
