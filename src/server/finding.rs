//! `weir search`, `weir index` and `weir purge`: in the running server, or here while none runs.

use std::time::Duration;

use crate::admin::{self, Answer, Command};
use crate::config::Config;
use crate::data_dir::{self, DataDir};

use super::house::{House, alone};

const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// Has it done, and says what came of it. Here, an index that is made anew is waited for.
pub fn run(config: &Config, command: Command) -> anyhow::Result<Answer> {
    match DataDir::lock(&config.server.data) {
        Ok(dir) => alone(async {
            let house = House::open(config, &dir)?;
            let rebuilds = matches!(command, Command::RebuildIndex);
            let answer = house.desk.run(&house.directory, command).await?;
            if let (true, Some(search)) = (rebuilds, house.desk.runtime.search()) {
                while search.state().incomplete {
                    tokio::time::sleep(LOOKS_EVERY).await;
                }
            }
            house.close().await;
            Ok(answer)
        }),
        Err(data_dir::Error::InUse { .. }) => Ok(admin::run(&config.server.data, &command)?),
        Err(error) => Err(error.into()),
    }
}
