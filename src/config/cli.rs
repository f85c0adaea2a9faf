//! The command line: a flag for every parameter of the table, memcached's letters, a config file.

use super::file::value_of_arguments;
use super::machine;
use super::table::{Effect, Initial, Kind, Param, Spec, TABLE};
use super::value::{BindAddress, human_bytes};
use super::{Config, default_text};
use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

const ABOUT: &str = "A cache for Python web sites: memcached and Redis protocols over one \
                     memory-bounded store";
const FILE: &str = "config-file";
const VERBOSE: &str = "verbose";
const MEMCACHED: &str = "memcached's letters";

type Setting = (Param, String);

/// A letter of memcached's that is no parameter of the same meaning.
struct Letter {
    letter: &'static str,
    /// `None`: takes no value.
    value: Option<&'static str>,
    help: &'static str,
    /// What to set; `None` when there is nothing to do.
    meaning: fn(&str) -> Result<Option<Setting>, String>,
}

const LETTERS: &[Letter] = &[
    Letter {
        letter: "m",
        value: Some("MEGABYTES"),
        help: "Memory limit, as --maxmemory in MiB",
        meaning: |value| match value.parse::<u32>() {
            Ok(megabytes) => Ok(Some((Param::MaxMemory, format!("{megabytes}mb")))),
            Err(_) => Err("give whole megabytes, e.g. `-m 64`, or use `--maxmemory 1gb`".into()),
        },
    },
    Letter {
        letter: "M",
        value: None,
        help: "Answer with errors when memory is full, as --maxmemory-policy noeviction",
        meaning: |_| Ok(Some((Param::MaxMemoryPolicy, "noeviction".into()))),
    },
    Letter {
        letter: "a",
        value: Some("MODE"),
        help: "As --unixsocketperm",
        meaning: |value| Ok(Some((Param::UnixSocketPerm, value.into()))),
    },
    Letter {
        letter: "b",
        value: Some("CONNECTIONS"),
        help: "As --tcp-backlog",
        meaning: |value| Ok(Some((Param::TcpBacklog, value.into()))),
    },
    Letter {
        letter: "A",
        value: None,
        help: "As --enable-shutdown yes",
        meaning: |_| Ok(Some((Param::EnableShutdown, "yes".into()))),
    },
    Letter {
        letter: "S",
        value: None,
        help: "Insist that clients log in, as --enable-sasl yes; text clients may too",
        meaning: |_| Ok(Some((Param::EnableSasl, "yes".into()))),
    },
    Letter {
        letter: "U",
        value: Some("PORT"),
        help: "UDP port; only 0, since magpie does not speak UDP",
        meaning: |value| match value {
            "0" => Ok(None),
            _ => Err("magpie does not speak UDP: leave `-U` out, or give 0".into()),
        },
    },
    Letter {
        letter: "u",
        value: Some("USER"),
        help: "Refused: start magpie as that user",
        meaning: |user| {
            Err(format!(
                "magpie does not change its user: start it as {user}, e.g. with `User={user}` in its \
                 systemd unit or `runuser -u {user} -- magpie …`"
            ))
        },
    },
    Letter {
        letter: "d",
        value: None,
        help: "Refused: magpie stays in the foreground",
        meaning: |_| Err("magpie stays in the foreground: let systemd or your container run it".into()),
    },
    Letter { letter: "R", value: Some("N"), help: "Accepted, without effect", meaning: |_| Ok(None) },
    Letter { letter: "f", value: Some("FACTOR"), help: "Accepted, without effect", meaning: |_| Ok(None) },
    Letter { letter: "n", value: Some("BYTES"), help: "Accepted, without effect", meaning: |_| Ok(None) },
];

impl Config {
    /// Defaults, then the config file, then the flags. The error is for the terminal, `--help` and
    /// `--version` included: `main` prints it and exits with its code.
    pub fn from_args<I, T>(args: I) -> Result<Config, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(args)?;
        let mut config = Config::default();
        if let Some(file) = matches.get_one::<String>(FILE) {
            config
                .read_file(Path::new(file))
                .map_err(|error| command.error(ErrorKind::Io, error.to_string()))?;
        }
        config
            .take_flags(&matches)
            .and_then(|()| config.check_together())
            .map_err(|message| command.error(ErrorKind::ValueValidation, message))?;
        Ok(config)
    }

    fn take_flags(&self, matches: &ArgMatches) -> Result<(), String> {
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        if let louder @ 1.. = matches.get_count(VERBOSE) {
            let level = if louder == 1 { "verbose" } else { "debug" };
            self.assign(Param::LogLevel, level).map_err(|reason| reason.into_owned())?;
        }
        for letter in LETTERS {
            let id = letter.letter;
            if !given(id) {
                continue;
            }
            let value = match letter.value {
                Some(_) => matches.get_one::<String>(id).map_or("", String::as_str),
                None => "",
            };
            let wrong = |reason: String| format!("invalid value for '-{id}': {reason}");
            let Some((param, text)) = (letter.meaning)(value).map_err(wrong)? else {
                continue;
            };
            if given(param.name()) {
                return Err(format!("-{id} and --{} say the same: give one of them", param.name()));
            }
            self.assign(param, &text).map_err(|reason| wrong(reason.into_owned()))?;
        }
        for spec in TABLE.iter().filter(|spec| given(spec.name)) {
            let words: Vec<String> =
                matches.get_many::<String>(spec.name).into_iter().flatten().cloned().collect();
            let text = value_of_arguments(spec, &words)
                .map_err(|reason| format!("invalid value for '--{}': {reason}", spec.name))?;
            self.assign(spec.param, &text).map_err(|reason| {
                let hint = hint(spec).map_or_else(String::new, |hint| format!("\n\n{hint}"));
                format!("invalid value '{text}' for '--{}': {reason}{hint}", spec.name)
            })?;
        }
        Ok(())
    }

    /// What only the parameters together show.
    fn check_together(&self) -> Result<(), String> {
        for spec in &TABLE {
            if let (Effect::Fixed(why), true) = (spec.effect, self.differs(spec.param)) {
                let (name, default) = (spec.name, default_in_help(spec));
                return Err(format!(
                    "cannot do what `{name} {}` asks: {why}. Leave it out, or overrule the config file \
                     with `--{name} {default}`",
                    self.show(spec.param)
                ));
            }
        }
        let bind = self.bind();
        let sockets = [Param::UnixSocket, Param::MemcachedUnixSocket];
        if bind.is_empty() && sockets.iter().all(|socket| self.text(*socket).is_empty()) {
            return Err(
                "there is nothing to listen on: give --bind an address, or --unixsocket a path".into()
            );
        }
        let wide = bind.iter().find(|address| !address.is_loopback());
        match wide {
            Some(BindAddress { host, .. }) if self.flag(Param::ProtectedMode) && self.asks_no_password() => {
                Err(format!(
                    "listening on {host} would let other machines in without a password: set one with \
                 `--requirepass PASSWORD`, listen on this machine only with `--bind 127.0.0.1`, or insist \
                 with `--protected-mode no`"
                ))
            }
            _ => Ok(()),
        }
    }
}

/// How to write a value of this kind.
fn hint(spec: &Spec) -> Option<&'static str> {
    match spec.kind {
        Kind::Memory { .. } => Some("Write bytes, e.g. 1048576, 512kb, 100mb or 1gb."),
        Kind::Size { .. } => Some("Write bytes, e.g. 1048576, 512k, 2m or 1g."),
        Kind::MemoryOrPercent => Some("Write bytes, e.g. 100mb, or a share of maxmemory, e.g. 5%."),
        Kind::Octal { .. } => Some("Write a file mode, e.g. 770."),
        _ => None,
    }
}

fn command() -> Command {
    let file = Arg::new(FILE)
        .value_name("CONFIG-FILE")
        .help("A file of lines `parameter value`, such as redis.conf; flags override it")
        .value_parser(NonEmptyStringValueParser::new());
    let verbose = Arg::new(VERBOSE)
        .short('v')
        .action(ArgAction::Count)
        .help("Log more: once as --loglevel verbose, twice as --loglevel debug")
        .help_heading("Logs and statistics");
    Command::new("magpie")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(after_help())
        .max_term_width(100)
        .args_override_self(true)
        .next_line_help(false)
        .arg(file)
        .args(TABLE.iter().map(arg))
        .arg(verbose)
        .args(LETTERS.iter().map(letter_arg))
}

fn arg(spec: &Spec) -> Arg {
    let mut arg = Arg::new(spec.name)
        .long(spec.name)
        .value_name(spec.unit)
        .action(ArgAction::Set)
        .help(format!("{} [default: {}]", spec.help, default_in_help(spec)))
        .help_heading(spec.section)
        .hide(spec.effect != Effect::Works);
    if let Some(alias) = spec.alias {
        arg = arg.alias(alias);
    }
    if let Some(letter) = spec.short {
        arg = arg.short(letter);
    }
    match spec.kind {
        Kind::Words(_) | Kind::OutputLimits => arg.num_args(1..),
        Kind::Number { .. } => arg.allow_negative_numbers(true),
        _ => arg,
    }
}

fn letter_arg(letter: &Letter) -> Arg {
    let arg =
        Arg::new(letter.letter).short(letter.letter.chars().next()).help(letter.help).help_heading(MEMCACHED);
    match letter.value {
        Some(name) => arg.value_name(name).action(ArgAction::Set),
        None => arg.action(ArgAction::SetTrue),
    }
}

fn default_in_help(spec: &Spec) -> String {
    match spec.default {
        Initial::HalfOfMemory => {
            let half = i64::try_from(machine::half_of_memory()).unwrap_or(i64::MAX);
            format!("half of what the machine or container allows, here {}", human_bytes(half))
        }
        Initial::Cpus => format!("the CPUs it may use, here {}", machine::cpus()),
        Initial::Is("") => "''".to_owned(),
        _ => default_text(spec),
    }
}

/// The parameters that do nothing here, by name.
fn after_help() -> String {
    let names = |wanted: fn(&Effect) -> bool| {
        let names = TABLE.iter().filter(|spec| wanted(&spec.effect) && !spec.hidden).map(|spec| spec.name);
        names.collect::<Vec<_>>().join(", ")
    };
    let mut text = String::from(
        "Sizes are bytes: 100mb and 1gb are binary, and so is all that -I takes; else 1k is 1000.\n\n\
         Every parameter of redis.conf is accepted as --name value. Without effect here, but checked, \
         kept and shown by CONFIG GET: ",
    );
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{}.\n\nAccepted with their default only, since magpie could not do what they ask: {}.",
        names(|effect| *effect == Effect::Inert),
        names(|effect| matches!(effect, Effect::Fixed(_))),
    );
    text
}

#[cfg(test)]
pub(super) fn help() -> String {
    command().render_long_help().to_string()
}
