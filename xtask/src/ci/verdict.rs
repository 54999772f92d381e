//! The result of a step, and its text.

use anyhow::Result;

/// The extent to which a step without failures was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The whole step was run.
    Whole,
    /// The part that was skipped, and why. The step may have run the rest.
    Without(String),
}

/// The result of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// A part of the step could not be run here: which part, and why.
    Skipped(String),
    Failed(String),
}

impl Verdict {
    /// Returns the verdict on a step. With `strict`, a skipped part counts as failed.
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

    /// Returns the skipped or failed part; `None` if the step passed.
    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Verdict::Passed => None,
            Verdict::Skipped(why) | Verdict::Failed(why) => Some(why),
        }
    }

    /// Returns the line of the summary. It has only the first line of the reason; the step's own
    /// output has all of it.
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
    fn a_skipped_part_is_neither_passed_nor_failed() {
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
