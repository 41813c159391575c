//! Search and its index, for the operator.

use super::{Answer, Command, Desk, Found, Refused};
use crate::auth::Directory;
use crate::runtime::search::{Ask, Search};
use crate::scope::Scope;

impl Desk {
    /// Whatever needs more than the directory of users.
    pub async fn run(&self, directory: &Directory, command: Command) -> Result<Answer, Refused> {
        match command {
            Command::Search { query, user, limit } => {
                let found = self.search(directory, query, user.as_deref(), limit).await?;
                Ok(Answer::Found(found))
            }
            Command::RebuildIndex => {
                self.index()?.rebuild();
                Ok(Answer::Done)
            }
            Command::CheckIndex => Ok(Answer::Checked(self.index()?.check().await.map_err(refused)?)),
            Command::Purge => {
                self.runtime.purge().await.map_err(refused)?;
                self.index()?.forget_deleted().await.map_err(refused)?;
                Ok(Answer::Done)
            }
            command => command.run(directory),
        }
    }

    async fn search(
        &self,
        directory: &Directory,
        query: String,
        user: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Found>, Refused> {
        let who = super::transfer::identity(directory, user)?;
        let scope = Scope::acting_for(who.workspace_id, who.user_id);
        let index = self.index()?;
        index.catch_up().await.map_err(refused)?;
        let ask = Ask { query, ..Ask::default() };
        let answer = index.search(&scope, ask, limit, None).await.map_err(refused)?;
        let found = answer.hits.into_iter().map(|hit| Found {
            conversation_id: hit.conversation_id,
            title: hit.title,
            message_id: hit.message_id,
            at: hit.at,
            snippet: hit.snippet.text,
        });
        Ok(found.collect())
    }

    fn index(&self) -> Result<&Search, Refused> {
        self.runtime.search().ok_or_else(|| Refused("there is no search here".to_owned()))
    }
}

fn refused(error: impl std::fmt::Display) -> Refused {
    Refused(error.to_string())
}
