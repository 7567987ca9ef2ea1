//! `rutter simulate`: clusters in one thread each, under faults, a seed a cluster: the whole cluster, or with `--nodes 0` members alone.
//! Fails if a promise is broken.
use crate::failure::{Failure, Output};
use crate::operator;
use crate::replay;
use simulation::whole::{self, Backup, Scenario, Sheet, Size, Told};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Simulate {
    /// How many runs, a seed each.
    #[arg(long, alias = "seeds", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Members of each cluster [default: 3].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=9))]
    members: Option<u16>,
    /// Nodes of each cluster [default: 3]; with none, members run alone, without API, controllers, scheduler and agents.
    #[arg(long, value_parser = clap::value_parser!(u16).range(0..=3_072))]
    nodes: Option<u16>,
    /// How long a cluster is under storms, in virtual time [default: 30s].
    #[arg(long = "for", value_parser = span)]
    span: Option<u64>,
    /// Fixes what this file says (simulation/scenarios holds some); the rest is drawn by the seed. What the file expects of a run is not
    /// expected of one whose size or faults are changed by flags.
    #[arg(long)]
    scenario: Option<PathBuf>,
    /// Begin with a real cluster's past: the directory of a stopped member, or a copy of it. Its nodes are simulated under their names.
    #[arg(long, value_name = "DIR", conflicts_with = "nodes")]
    from: Option<PathBuf>,
    /// Draws from these faults only: names with commas, `all` or `none`.
    #[arg(long)]
    faults: Option<String>,
    /// Run each seed twice and compare the traces.
    #[arg(long)]
    twice: bool,
    /// Go on after the first run that breaks a promise.
    #[arg(long)]
    keep_going: bool,
    /// Look for a smaller run that breaks the same promise, and keep it as minimal-SEED.txt.
    #[arg(long)]
    minimize: bool,
    /// Print what the first seed draws, as a scenario file, and run nothing.
    #[arg(long)]
    print: bool,
    /// Leave the members of the first run that fails, or else of the last, behind in this directory: their real logs.
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Draw the first run that fails, or else the last, into this file: a page that works without a network.
    #[arg(long, value_name = "FILE.html")]
    timeline: Option<PathBuf>,
    /// Cores to use; by itself all.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=THREADS_MAX))]
    threads: Option<u16>,
}

/// More threads than that are of no use to anybody, and a kernel may refuse them.
const THREADS_MAX: i64 = 1_024;

/// A word as a shell reads it back.
fn quoted(word: &Path) -> String {
    let text = word.display().to_string();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-,=:+@".contains(letter);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// Milliseconds, at least a second.
fn span(text: &str) -> Result<u64, String> {
    let millis = whole::words::millis(text)?;
    if millis < 1_000 { Err("at least 1s".into()) } else { Ok(millis) }
}

impl Simulate {
    /// What the scenario file and the flags over it fix.
    fn sheet(&self) -> Result<Sheet, Failure> {
        let mut sheet = match &self.scenario {
            None => Sheet::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|why| {
                    Failure::new(
                        format!("{}: {why}", path.display()),
                        "name a scenario file, such as one of simulation/scenarios",
                    )
                })?;
                let wrong = |why| Failure::new(format!("{}: {why}", path.display()), "mend that line");
                Sheet::read(&text).map_err(wrong)?
            }
        };
        let Size { members, nodes, span } = sheet.size;
        sheet.size = Size {
            members: self.members.unwrap_or(members),
            nodes: self.nodes.unwrap_or(nodes),
            span: self.span.unwrap_or(span),
        };
        if self.members.is_some() || self.nodes.is_some() || self.span.is_some() || self.faults.is_some() {
            sheet.expect_nothing();
        }
        if let Some(names) = &self.faults {
            sheet.draw_from(names).map_err(|why| Failure::new(why, "mend --faults"))?;
        }
        if let Some(dir) = &self.from {
            let (log, shown) = replay::open(dir)?;
            let unfit = |why| Failure::new(format!("{shown}: {why}"), "give the directory of another member");
            let backup = Backup::read(&log).map_err(unfit)?;
            eprintln!("from {shown}: {backup}");
            sheet = sheet.from(backup);
        }
        sheet.sound().map_err(|why| Failure::new(why, "mend the scenario, or leave its size as it is"))
    }

    /// The command that runs what a scenario file says, with the same past, save runs and seed.
    fn again(&self, scenario: &Path) -> String {
        let mut words = vec!["rutter simulate".to_owned(), format!("--scenario {}", quoted(scenario))];
        words.extend(self.from.as_deref().map(|dir| format!("--from {}", quoted(dir))));
        words.join(" ")
    }

    /// The command that repeats this, save runs and seed.
    fn command(&self) -> String {
        let mut words = vec!["rutter simulate".to_owned()];
        words.extend(self.scenario.as_deref().map(|path| format!("--scenario {}", quoted(path))));
        words.extend(self.from.as_deref().map(|dir| format!("--from {}", quoted(dir))));
        words.extend(self.members.map(|count| format!("--members {count}")));
        words.extend(self.nodes.map(|count| format!("--nodes {count}")));
        words.extend(self.span.map(|span| format!("--for {span}ms")));
        words.extend(self.faults.as_ref().map(|names| format!("--faults {}", quoted(Path::new(names)))));
        words.extend(self.twice.then(|| "--twice".to_owned()));
        words.join(" ")
    }
}

pub(crate) fn run(flags: &Simulate, output: Output) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = flags.threads.map_or(cores, usize::from);
    let sheet = flags.sheet()?;
    if flags.seed.checked_add(flags.runs - 1).is_none() {
        let what = format!("there are no {} seeds from {} on", flags.runs, flags.seed);
        return Err(Failure::new(what, "give a smaller --seed or fewer --runs"));
    }
    if sheet.size.nodes == 0 {
        return members(flags, sheet.size, threads, output);
    }
    if flags.print {
        return print(&Scenario::drawn(flags.seed, &sheet), output);
    }
    places(flags)?;
    all(flags, sheet, threads, output)
}

/// Whether what is to be left behind can be: it would be a pity to find out after the run.
fn places(flags: &Simulate) -> Result<(), Failure> {
    if let Some(place) = &flags.log
        && std::fs::read_dir(place).is_ok_and(|mut inside| inside.next().is_some())
    {
        let what = format!("{} is there already, and holds something", place.display());
        return Err(Failure::new(what, "name another directory with --log, or take this one away"));
    }
    if let Some(place) = &flags.log {
        std::fs::create_dir_all(place).map_err(|why| unwritten(place, &why))?;
    }
    if flags.minimize {
        let here = Path::new(".");
        nix::unistd::access(here, nix::unistd::AccessFlags::W_OK).map_err(|why| {
            let what = format!("minimal-SEED.txt cannot be kept here: {}", std::io::Error::from(why));
            Failure::new(what, "run it in a directory that can be written")
        })?;
    }
    if let Some(page) = &flags.timeline {
        std::fs::File::options().append(true).create(true).open(page).map_err(|why| unwritten(page, &why))?;
    }
    Ok(())
}

fn unwritten(path: &Path, why: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {why}", path.display()), "name a place that can be written")
}

fn print(scenario: &Scenario, output: Output) -> Result<(), Failure> {
    operator::print(output, &serde_json::to_value(scenario).unwrap_or_default(), |_| scenario.to_string());
    Ok(())
}

/// The whole cluster; a line a run.
fn all(flags: &Simulate, sheet: Sheet, threads: usize, output: Output) -> Result<(), Failure> {
    let options = whole::Options {
        seeds: flags.runs,
        from_seed: flags.seed,
        threads,
        twice: flags.twice,
        failures_max: if flags.keep_going { usize::MAX } else { 1 },
        minimize: flags.minimize,
        leave: flags.log.is_some() || flags.timeline.is_some(),
        sheet,
        command: flags.command(),
    };
    let report = whole::run(&options, &|told| tell(flags, output, told));
    operator::print(output, &report.json(), |_| format!("{report}\n"));
    if let Some(left) = &report.left {
        leave(flags, left)?;
        said(flags, left);
    }
    for (failed, failure) in &report.failures {
        let Some((seed, minimal)) = &failure.minimal else { continue };
        let path = minimal_path(*failed);
        std::fs::write(&path, minimal).map_err(|why| unwritten(&path, &why))?;
        eprintln!("again: {} --runs 1 --seed {seed}", flags.again(&path));
    }
    let failed: Vec<String> = report.failures.keys().map(u64::to_string).collect();
    verdict(
        &failed,
        &format!("see it again with `{} --runs 1 --seed N`, or less of it with --minimize", flags.command()),
    )
}

/// Where less is kept of what fails as this seed does.
fn minimal_path(seed: u64) -> PathBuf {
    format!("minimal-{seed}.txt").into()
}

/// Says how it goes; what a run that failed leaves behind is written at once, for looking for less may take long and be ended.
fn tell(flags: &Simulate, output: Output, told: Told<'_>) {
    let written = match told {
        Told::Line(line) if output == Output::Text => return operator::say(output, &format!("{line}\n")),
        Told::Line(line) | Told::Meanwhile(line) => return eprintln!("{line}"),
        Told::Left(left) => leave(flags, left),
        Told::Smaller(seed, text) => {
            let path = minimal_path(seed);
            std::fs::write(&path, text).map_err(|why| unwritten(&path, &why))
        }
    };
    if let Err(why) = written {
        // It is tried again at the end, and fails the command then.
        eprintln!("{why}");
    }
}

/// Writes what a run left behind to where it was asked for.
fn leave(flags: &Simulate, left: &whole::Left) -> Result<(), Failure> {
    if let Some(path) = &flags.timeline {
        std::fs::write(path, &left.page).map_err(|why| unwritten(path, &why))?;
    }
    let Some(place) = &flags.log else { return Ok(()) };
    for (member, files) in &left.disks {
        let folder = place.join(member).join("log");
        // What another run left there, which failed too and counts for less.
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|why| unwritten(&folder, &why))?;
        }
        std::fs::create_dir_all(&folder).map_err(|why| unwritten(&folder, &why))?;
        for (name, bytes) in files {
            let path = folder.join(name);
            std::fs::write(&path, bytes).map_err(|why| unwritten(&path, &why))?;
        }
    }
    Ok(())
}

/// Says where it is.
fn said(flags: &Simulate, left: &whole::Left) {
    let seed = left.seed;
    if let Some(path) = &flags.timeline {
        eprintln!("seed {seed} is drawn in {}: open it in a browser", path.display());
    }
    if let Some(place) = &flags.log {
        let place = place.display();
        eprintln!("the members of seed {seed} are in {place}: `rutter log --dir {place}/m1` tells what they wrote");
    }
}

fn members(flags: &Simulate, size: Size, threads: usize, output: Output) -> Result<(), Failure> {
    let left = flags.log.is_some() || flags.timeline.is_some() || flags.minimize || flags.print;
    if left || flags.scenario.is_some() || flags.faults.is_some() || flags.span.is_some() {
        let why = "without nodes, members run alone, what a seed draws, and no other flag has a meaning than --members, --runs, --seed, --twice, \
            --keep-going and --threads";
        return Err(Failure::new(why, "have nodes, or leave the other flags away"));
    }
    let options = simulation::Options {
        seeds: flags.runs,
        from_seed: flags.seed,
        members: size.members,
        threads,
        twice: flags.twice,
        failures_max: if flags.keep_going { usize::MAX } else { 1 },
        ..simulation::Options::default()
    };
    let report = simulation::run(&options, &|line| match output {
        Output::Text => operator::say(output, &format!("{line}\n")),
        Output::Json => eprintln!("{line}"),
    });
    operator::print(output, &report.json(), |_| format!("{report}\n"));
    let failed: Vec<String> = report.failures.iter().map(|failure| failure.seed.to_string()).collect();
    verdict(&failed, &format!("see it again with `{} --runs 1 --seed N`", flags.command()))
}

fn verdict(failed: &[String], next: &str) -> Result<(), Failure> {
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("seeds that failed: {}", failed.join(", ")), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        flags: Simulate,
    }

    #[test]
    fn what_is_to_be_typed_again_repeats_the_run() {
        let flags = |words: &[&str]| {
            let line = ["simulate"].iter().chain(words);
            <Line as clap::Parser>::try_parse_from(line).expect("it can be read").flags
        };
        let one = flags(&["--scenario", "my file.txt", "--from", "it's/m1", "--faults", "stop,cut", "--twice"]);
        assert_eq!(
            one.command(),
            r"rutter simulate --scenario 'my file.txt' --from 'it'\''s/m1' --faults stop,cut --twice"
        );
        assert_eq!(
            one.again(Path::new("minimal-3.txt")),
            r"rutter simulate --scenario minimal-3.txt --from 'it'\''s/m1'"
        );
        assert_eq!(flags(&["--for", "5s"]).command(), "rutter simulate --for 5000ms");
    }
}
