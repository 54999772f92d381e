//! How a step came out, and how that is told.

use anyhow::Result;

/// What a step that found nothing wrong has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Everything that it is for.
    Whole,
    /// Not this: what was left out, and why. It may have done the rest.
    Without(String),
}

/// How a step came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// Something of it could not be done here: what, and why.
    Skipped(String),
    Failed(String),
}

impl Verdict {
    /// The verdict on a step. `strict`: what could not be done counts as failed.
    pub(super) fn of(outcome: Result<Done>, strict: bool) -> Self {
        match outcome {
            Ok(Done::Whole) => Verdict::Passed,
            Ok(Done::Without(why)) if strict => Verdict::Failed(format!("left out: {why}")),
            Ok(Done::Without(why)) => Verdict::Skipped(why),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        }
    }

    pub(super) const fn word(&self) -> &'static str {
        match self {
            Verdict::Passed => "passed",
            Verdict::Skipped(_) => "skipped",
            Verdict::Failed(_) => "FAILED",
        }
    }

    /// What was left out or has failed; none if it passed.
    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Verdict::Passed => None,
            Verdict::Skipped(why) | Verdict::Failed(why) => Some(why),
        }
    }

    /// Its line of the summary. The reason is its first line: all of it stands where the step was run.
    pub(super) fn line(&self, name: &str, seconds: f64) -> String {
        let why = self.why().and_then(|why| why.lines().next()).unwrap_or_default();
        format!("{:7}  {name:20} {seconds:6.1} s  {why}", self.word()).trim_end().to_owned()
    }
}

/// `N passed, N failed`, and if something was left out `, N skipped`: alone on the last line.
pub(super) fn last_line(verdicts: &[Verdict]) -> String {
    let count = |word: &str| verdicts.iter().filter(|verdict| verdict.word() == word).count();
    let skipped = match count("skipped") {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    format!("{} passed, {} failed{skipped}", count("passed"), count("FAILED"))
}

impl From<()> for Done {
    fn from((): ()) -> Self {
        Done::Whole
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn outcomes() -> [Result<Done>; 3] {
        [Ok(Done::Whole), Ok(Done::Without("no erl".to_owned())), Err(anyhow!("red\nvery"))]
    }

    #[test]
    fn what_was_left_out_is_neither_passed_nor_failed() {
        let verdicts = outcomes().map(|outcome| Verdict::of(outcome, false));
        assert_eq!(last_line(&verdicts), "1 passed, 1 failed, 1 skipped");
        assert_eq!(last_line(&verdicts[..1]), "1 passed, 0 failed");
        assert_eq!(last_line(&[]), "0 passed, 0 failed");
    }

    #[test]
    fn strictly_what_was_left_out_has_failed() {
        let verdicts = outcomes().map(|outcome| Verdict::of(outcome, true));
        assert_eq!(last_line(&verdicts), "1 passed, 2 failed");
        assert_eq!(verdicts[1].why(), Some("left out: no erl"));
    }

    #[test]
    fn the_summary_has_one_line_for_each_step_with_its_reason() {
        let lines = outcomes().map(|outcome| Verdict::of(outcome, false).line("step", 1.0));
        assert_eq!(lines[0], "passed   step                    1.0 s");
        assert!(lines[1].starts_with("skipped  step ") && lines[1].ends_with("  no erl"), "{}", lines[1]);
        assert!(lines[2].starts_with("FAILED   step ") && lines[2].ends_with("  red"), "{}", lines[2]);
    }
}
