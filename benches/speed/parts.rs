//! What is measured, part by part, and what is expected of it.

use std::fs;

use crate::Sizes;
use crate::ground::{Ground, Place, as_subject, now, settle};
use crate::machine::cores;
use crate::measure::{Program, Times, rounds, verify_strict_rate};
use crate::policies;
use crate::support::log::body_of;
use crate::support::scale::{Plan, SUBJECT};
use crate::table::{Bar, Table, seconds};

/// How much slower something may be that ought to take as long.
const ALIKE: Bar = Bar::AtMost(1.3);
/// How many seconds before now a history ends.
const AGO: i64 = 120;

type Part = fn(&mut Ground, &mut Table, &Sizes);

/// All parts, in the order in which they run: what is new to a log is heard before anything is asked of all of it.
pub(crate) const PARTS: [(&str, Part); 10] = [
    ("start", start),
    ("fold", fold),
    ("check", check),
    ("memory", memory),
    ("list", list),
    ("append", append),
    ("audit", audit),
    ("clone", clone),
    ("policy", policies::policy),
    ("toml", policies::toml),
];

/// The usual history.
fn usual(sizes: &Sizes) -> Plan {
    let ends = now().shifted(chrono::TimeDelta::seconds(-AGO));
    let ([_, lines, _], [_, rules, _]) = (sizes.lines, sizes.rules);
    Plan { lines, rules, live: sizes.live[0], revocations: sizes.revocations[0], ends, seed: 1 }
}

/// The same with another number of lines; fewer can't hold as much.
fn of_lines(sizes: &Sizes, lines: u64) -> Plan {
    let usual = usual(sizes);
    Plan { lines, revocations: usual.revocations.min(lines / 8), ..usual }
}

fn most_lines(sizes: &Sizes) -> Plan {
    of_lines(sizes, sizes.lines[2])
}

fn with_most_live(sizes: &Sizes) -> Plan {
    Plan { lines: sizes.live[1] * 3, live: sizes.live[1], ..usual(sizes) }
}

fn with_most_revocations(sizes: &Sizes) -> Plan {
    Plan { lines: sizes.revocations[1] * 5 / 2, revocations: sizes.revocations[1], ..usual(sizes) }
}

fn of_rules(sizes: &Sizes, rules: u64) -> Plan {
    Plan { rules, ..usual(sizes) }
}

fn start(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    table.part("Start-up");
    let [floor, git, jit] = rounds(
        sizes.runs,
        [
            &Program::new("true", &[""; 0]),
            &Program::new("git", &["--version"]),
            &Program::new(&ground.program, &["--version"]),
        ],
    );
    table.time("`true`", &floor);
    table.ratio("`git --version`", &git, &floor, "`true`", Bar::Told);
    table.ratio("`jit --version`", &jit, &floor, "`true`", Bar::AtMost(1.5));
}

/// `ssh-keygen -Y verify` of a line of the log, as docs/FORMAT.md has it.
fn ssh_keygen(ground: &Ground, place: &Place) -> Program {
    let folder = ground.folder("ssh-keygen");
    let line = place.request();
    let body = body_of(&line);
    let by = body.split("\"by\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a body says by whom");
    let line = String::from_utf8(line).expect("a line is text");
    let signature = line.rsplit('"').nth(1).expect("a line ends with its signature");
    let armored = format!("-----BEGIN SSH SIGNATURE-----\n{signature}\n-----END SSH SIGNATURE-----\n");
    let allowed = format!("{by} {}\n", crate::support::keys::key(by).openssh());
    let path = |name: &str| folder.join(name).to_str().expect("a path in UTF-8").to_owned();
    for (name, text) in [("body", body.as_str()), ("sig", &armored), ("allowed", &allowed)] {
        fs::write(folder.join(name), text).expect("the folder of this run can be written");
    }
    let args = ["-Y", "verify", "-f", &path("allowed"), "-I", by, "-n", "jit", "-s", &path("sig")];
    Program::new("ssh-keygen", &args).stdin(&folder.join("body"))
}

fn check(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    let plans = [
        usual(sizes),
        of_lines(sizes, sizes.lines[0]),
        most_lines(sizes),
        of_rules(sizes, sizes.rules[0]),
        of_rules(sizes, sizes.rules[2]),
        with_most_live(sizes),
        with_most_revocations(sizes),
    ];
    let places = plans.map(|plan| ground.place(&plan));
    places.iter().for_each(|place| place.catch_up());
    let [usual, few_lines, most_lines, few_rules, most_rules, most_live, most_revocations] =
        places.each_ref().map(|place| place.check_token());
    let here = &places[0];
    let peer = ssh_keygen(ground, here);
    let key = here.home().join("key.pub");
    let by_key = here.check(&["--ssh-key", key.to_str().expect("a path in UTF-8")]);
    let programs = [
        &peer,
        &usual,
        &here.check(&["--subject", SUBJECT]),
        &by_key,
        &here.check(&[]),
        &few_lines,
        &most_lines,
        &few_rules,
        &most_rules,
        &most_live,
        &most_revocations,
    ];
    let [peer, token, subject, by_key, own, few_lines, most_lines, few_rules, most_rules, live, revocations] =
        rounds(sizes.runs, programs);
    let Sizes { lines: [few_l, usual_l, most_l], rules: [few_r, usual_r, most_r], .. } = *sizes;
    let [few_live, most_live] = sizes.live;
    let [few_rev, most_rev] = sizes.revocations;
    let all = format!("{usual_l} lines, {usual_r} rules, {few_live} live grants, {few_rev} revocations");
    table.part(&format!("`jit check`: {all}, where nothing else is said"));
    table.time("`ssh-keygen -Y verify` of one line", &peer);
    let token_file = "`check --token-file`, two approvals";
    table.ratio(token_file, &token, &peer, "`ssh-keygen -Y verify`", Bar::AtMost(0.3));
    // Of two that take as long each is the slower one half of the time.
    table.ratio("`check --subject`", &subject, &token, "with a token", Bar::AtMost(1.05));
    table.ratio("`check --ssh-key`", &by_key, &token, "with a token", Bar::AtMost(1.05));
    table.ratio("`check` of one's own key", &own, &token, "with a token", Bar::Told);
    table.time(&format!("token, {few_l} lines"), &few_lines);
    table.ratio(&format!("token, {most_l} lines"), &most_lines, &few_lines, &format!("{few_l} lines"), ALIKE);
    table.time(&format!("token, {few_r} rules"), &few_rules);
    table.ratio(&format!("token, {most_r} rules"), &most_rules, &few_rules, &format!("{few_r} rules"), ALIKE);
    table.ratio(&format!("token, {most_live} live grants"), &live, &token, &format!("{few_live} live grants"), ALIKE);
    let name = format!("token, {most_rev} revocations");
    table.ratio(&name, &revocations, &token, &format!("{few_rev} revocations"), ALIKE);
}

fn memory(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    table.part("Peak memory of `jit check --token-file`, in MiB");
    let of = |name: &str, program: &Program, table: &mut Table| match program.peak_mib() {
        Some(mib) => table.value(name, &format!("{mib:.1} MiB"), mib / 20.0, "20 MiB", Bar::AtMost(1.0)),
        None => table.told(name, "no GNU time"),
    };
    for (name, plan) in [
        ("usual".to_owned(), usual(sizes)),
        (format!("{} lines", sizes.lines[2]), most_lines(sizes)),
        (format!("{} rules", sizes.rules[2]), of_rules(sizes, sizes.rules[2])),
        (format!("{} live grants", sizes.live[1]), with_most_live(sizes)),
        (format!("{} revocations", sizes.revocations[1]), with_most_revocations(sizes)),
    ] {
        let place = ground.place(&plan);
        place.catch_up();
        of(&name, &place.check_token(), table);
    }
}

fn list(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    table.part("`jit list`");
    let place = ground.place(&with_most_live(sizes));
    place.catch_up();
    let [shown, json] =
        rounds(sizes.runs.min(21), [&place.jit(&["list", "--active"]), &place.jit(&["list", "--active", "--json"])]);
    let limit = Times::from(std::time::Duration::from_millis(100));
    let what = format!("`list --active`, {} live grants", sizes.live[1]);
    table.ratio(&what, &shown, &limit, "100 ms", Bar::AtMost(1.0));
    table.ratio(&format!("{what}, `--json`"), &json, &limit, "100 ms", Bar::AtMost(1.0));
}

fn fold(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    table.part("Going on from the index: `jit check --subject` with new lines, one commit each");
    let places = [sizes.lines[1], sizes.lines[2]].map(|lines| ground.place(&of_lines(sizes, lines)));
    let check = places.each_ref().map(|place| place.check(&["--subject", SUBJECT]));
    let [base, base_most] = rounds(sizes.runs, [&check[0], &check[1]]);
    let [lines, most] = [sizes.lines[1], sizes.lines[2]];
    table.time(&format!("{lines} lines, nothing new"), &base);
    table.time(&format!("{most} lines, nothing new"), &base_most);
    let mut one: Option<[f64; 2]> = None;
    for (new, runs) in [(1, 16), (16, 16), (64, 8), (256, 4)] {
        let mut times = [Times::default(), Times::default()];
        for _ in 0..runs {
            for (times, (place, check)) in times.iter_mut().zip(places.iter().zip(&check)) {
                if place.hear(new) {
                    times.push(check.run());
                }
            }
        }
        let [few, many] = &times;
        if few.median().is_nan() || many.median().is_nan() {
            continue;
        }
        let more = [few.median() - base.median(), many.median() - base_most.median()];
        // One line costs what any change costs, to flush it to disk above all; so each further line is told.
        let first = *one.get_or_insert(more);
        let further = u32::try_from(new).map_or(1.0, |new| f64::from(new.max(2) - 1));
        for (name, more, first) in [(lines, more[0], first[0]), (most, more[1], first[1])] {
            let each =
                if new == 1 { String::new() } else { format!(", {} each further", seconds((more - first) / further)) };
            table.told(&format!("{name} lines, {new} new: more than nothing new"), &format!("{}{each}", seconds(more)));
        }
        table.ratio(&format!("{new} new, {most} lines"), many, few, &format!("{lines} lines"), ALIKE);
    }
    places.iter().for_each(|place| place.catch_up());
}

fn append(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    table.part("Appending: `jit request`, granted at once");
    let short = of_lines(sizes, sizes.lines[1].min(1_000));
    let long = most_lines(sizes);
    // They grow, so they are for nobody else.
    let places = [("append-short", &short), ("append-long", &long)].map(|(name, plan)| ground.new_place(plan, name));
    places.iter().for_each(Place::catch_up);
    let request = ["request", "db/staging/service1", "write", "--for", "1m", "--reason", "trying out a migration"];
    let programs = places.each_ref().map(|place| place.jit(&request));
    for program in &programs {
        program.run();
    }
    let before = places.each_ref().map(Place::sizes);
    let mut times = [Times::default(), Times::default()];
    let runs = sizes.runs.min(41);
    for _ in 0..runs {
        for (times, program) in times.iter_mut().zip(&programs) {
            times.push(program.run());
        }
    }
    let after = places.each_ref().map(Place::sizes);
    let [few, many] = &times;
    table.time(&format!("{} lines", short.lines), few);
    table.ratio(&format!("{} lines", long.lines), many, few, &format!("{} lines", short.lines), ALIKE);
    let runs = u32::try_from(runs).map_or(1.0, f64::from);
    for (place, name) in ["the repository", "the home folder"].iter().enumerate() {
        let grown = [0, 1].map(|which| {
            let [before, after] = [&before, &after].map(|sizes| sizes.get(which).and_then(|sizes| sizes.get(place)));
            let bytes = after.zip(before).map_or(0, |(after, before)| after.saturating_sub(*before));
            u32::try_from(bytes).map_or(f64::MAX, f64::from) / runs
        });
        let [few, many] = grown;
        table.told(&format!("{} lines: {name} grows by", short.lines), &format!("{few:.0} bytes"));
        let what = format!("{} lines: {name} grows by", long.lines);
        let bar = if place == 0 { Bar::AtMost(1.5) } else { Bar::Told };
        table.value(&what, &format!("{many:.0} bytes"), many / few, &format!("{} lines", short.lines), bar);
    }
}

fn audit(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    table.part(&format!("`jit audit verify`, and opening without an index, on {} cores", cores()));
    let one = verify_strict_rate(1, sizes.signatures);
    table.told("`verify_strict` alone, one core", &format!("{one:.0}/s, {:.1} us each", 1e6 / one));
    for lines in [sizes.lines[1], sizes.lines[2]] {
        let place = ground.place(&of_lines(sizes, lines));
        place.catch_up();
        let verify = place.jit(&["audit", "verify", "--json"]);
        let runs = if lines > 100_000 { sizes.few_runs.min(3) } else { sizes.few_runs };
        let (mut times, mut strict) = (Times::default(), verify_strict_rate(cores(), sizes.signatures));
        for _ in 0..runs {
            times.push(verify.run());
            strict = strict.max(verify_strict_rate(cores(), sizes.signatures));
        }
        let of = u32::try_from(lines).map_or(f64::MAX, f64::from);
        let rate = of / times.median();
        table.told("`verify_strict` alone, all cores, the best of several", &format!("{strict:.0}/s"));
        let what = format!("`audit verify`, {lines} lines, {}", seconds(times.median()));
        table.value(&what, &format!("{rate:.0}/s"), rate / strict, "`verify_strict` alone", Bar::AtLeast(0.8));
        if let Some(mib) = verify.peak_mib() {
            let what = format!("`audit verify`, {lines} lines, peak memory");
            table.value(&what, &format!("{mib:.1} MiB"), mib / 300.0, "300 MiB", Bar::AtMost(1.0));
        }
        let rate = of / place.opened.as_secs_f64();
        let what = format!("first `check`, {lines} lines, {}", seconds(place.opened.as_secs_f64()));
        table.value(&what, &format!("{rate:.0}/s"), rate / strict, "`verify_strict` alone", Bar::Told);
    }
}

fn clone(ground: &mut Ground, table: &mut Table, sizes: &Sizes) {
    table.part(&format!("A first clone: {0} lines in {0} commits", sizes.commits));
    let plan = Plan { live: 10, ..of_lines(sizes, sizes.commits) };
    let (history, made) = ground.history(&plan, 1);
    let folder = ground.folder("clone");
    let url = format!("file://{}", history.to_str().expect("a path in UTF-8"));
    let path = |name: &str| folder.join(name).to_str().expect("a path in UTF-8").to_owned();
    let (home, plain, own) = (folder.join("home"), path("git"), path("jit"));
    let git = Program::new("git", &["clone", "-q", "--bare", &url, &plain]).var("HOME", &home);
    let jit = as_subject(&ground.program, &home, &["clone", "--bare", &url, &own, "--genesis", &made.genesis]);
    let verify = as_subject(&ground.program, &home, &["audit", "verify", "--json"]).var("JIT_REPO", &own);
    let runs = if sizes.commits > 100_000 { 1 } else { sizes.few_runs };
    let mut times = [Times::default(), Times::default(), Times::default()];
    for _ in 0..runs {
        // A large one is as large as what it is of, so there is one of each at a time.
        for gone in [plain.as_ref(), own.as_ref(), home.as_path()] {
            let _ = fs::remove_dir_all(gone);
        }
        settle(&home);
        for (times, program) in times.iter_mut().zip([&git, &jit, &verify]) {
            times.push(program.run());
        }
    }
    let [git, jit, audit] = &times;
    let of = u32::try_from(made.size).map_or(f64::MAX, f64::from);
    let verifying = Times::from(std::time::Duration::from_secs_f64(of / verify_strict_rate(cores(), sizes.signatures)));
    table.time("`git clone`", git);
    table.time("`verify_strict` of all lines, all cores", &verifying);
    table.ratio("`jit clone`", jit, git, "`git clone`", Bar::Told);
    let walk =
        Times::from(std::time::Duration::from_secs_f64((jit.median() - git.median() - verifying.median()).max(0.0)));
    table.ratio(
        "what is left: the walk over commits, and folding",
        &walk,
        &verifying,
        "`verify_strict`",
        Bar::AtMost(3.0),
    );
    let name = "`jit audit verify`, which walks too";
    table.ratio(name, audit, &verifying, "`verify_strict`", Bar::Told);
    if let Some(mib) = verify.peak_mib() {
        table.value(
            &format!("{name}, peak memory"),
            &format!("{mib:.1} MiB"),
            mib / 300.0,
            "300 MiB",
            Bar::AtMost(1.0),
        );
    }
}
