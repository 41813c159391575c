//! What is printed at the start.

use std::io::Write;
use std::net::SocketAddr;

use crate::auth::Directory;
use crate::config::Config;
use crate::runtime::Runtime;
use crate::runtime::agent::DEFAULT_AGENT;

/// What a person needs to know to begin, and nothing else.
pub fn setup(config: &Config, address: SocketAddr, directory: &Directory) -> anyhow::Result<()> {
    say(format_args!("weir listens on http://{address}"));
    if directory.needs_setup() {
        let code = directory.create_setup_code(directory.owner())?;
        let link = config.server.setup_link(address, &code);
        say(format_args!("to begin, open {link} (it counts once, and for a day)"));
    }
    Ok(())
}

/// Says who answers. A provider that is slow to say holds nothing up.
pub async fn agents(runtime: &Runtime) {
    for agent in runtime.agents().iter() {
        let provider = &agent.options.provider;
        let label =
            if agent.options.id == DEFAULT_AGENT { String::new() } else { format!("{}: ", agent.options.id) };
        match agent.model(None).await {
            Ok(model) => {
                let context = agent.context_tokens(&model);
                let model = model.id;
                say(format_args!("{label}provider {provider}, model {model}, {context} tokens of context"));
            }
            Err(failure) => say(format_args!("{label}provider {provider} is not usable yet: {failure}")),
        }
    }
}

/// A server goes on where nobody listens to what it prints.
fn say(line: std::fmt::Arguments) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
