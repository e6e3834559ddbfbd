//! `overstay completions` and `overstay man`.

use clap::CommandFactory;

use super::{Cli, Failure, Outcome, exit, input};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell.
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Runs the verb.
///
/// # Errors
/// A failure with its exit code.
pub fn run(_cli: &Cli, args: &Args) -> Outcome {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "overstay", &mut out);
    input::print_bytes(&out)?;
    Ok(exit::OK)
}

/// Prints the manual: the page of the program, then one for each verb.
///
/// # Errors
/// When standard output fails.
pub fn man() -> Outcome {
    input::print_bytes(&pages().map_err(|e| Failure::new(exit::INTERNAL, e))?)?;
    Ok(exit::OK)
}

fn pages() -> std::io::Result<Vec<u8>> {
    let mut command = Cli::command();
    // Propagates global options and names to the verbs.
    command.build();
    let mut out = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut out)?;
    for verb in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let name = format!("overstay-{}", verb.get_name());
        clap_mangen::Man::new(verb.clone().display_name(name)).render(&mut out)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_has_every_verb() {
        let text = String::from_utf8(pages().unwrap()).unwrap();
        for verb in ["gate", "baseline", "verify", "explain", "facts"] {
            assert!(text.contains(&format!("overstay\\-{verb}")), "{verb}");
        }
    }

    #[test]
    fn every_shell_is_generated() {
        use clap::ValueEnum;
        for shell in clap_complete::Shell::value_variants() {
            let mut out = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "overstay", &mut out);
            assert!(String::from_utf8(out).unwrap().contains("overstay"), "{shell}");
        }
    }
}
