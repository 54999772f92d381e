//! One tab of the browser.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use harness::conditions::poll;
use serde_json::{Value, json};

use super::browser::Browser;

/// Maximum time until the page shows an event. Generous, because the machine may be busy.
const SOON: Duration = Duration::from_secs(30);

/// The screen on which the page is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// In CSS pixels.
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) dark: bool,
    pub(super) reduced_motion: bool,
}

/// A tab. It is closed on drop.
pub(super) struct Tab<'b> {
    browser: &'b mut Browser,
    target: Value,
    session: String,
    questions: Questions,
    complaints: Vec<String>,
}

/// The requests of the page to its node.
#[derive(Default)]
struct Questions {
    open: BTreeSet<String>,
    asked: usize,
    most_at_once: usize,
}

impl<'b> Tab<'b> {
    pub(super) fn new(browser: &'b mut Browser) -> Result<Self> {
        let target =
            browser.ask(None, "Target.createTarget", json!({"url": "about:blank"}))?["targetId"].take();
        let attach = json!({"targetId": target, "flatten": true});
        let session = browser.ask(None, "Target.attachToTarget", attach)?;
        let Some(session) = session["sessionId"].as_str().map(str::to_owned) else {
            bail!("the browser did not open a tab");
        };
        let (questions, complaints) = Default::default();
        let mut tab = Tab { browser, target, session, questions, complaints };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.ask(&format!("{domain}.enable"), json!({}))?;
        }
        Ok(tab)
    }

    pub(super) fn open(&mut self, url: &str) -> Result<()> {
        self.ask("Page.navigate", json!({ "url": url })).map(drop)
    }

    pub(super) fn look_with(&mut self, screen: Screen) -> Result<()> {
        let metrics =
            json!({"width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", metrics)?;
        let features = json!([
            {"name": "prefers-color-scheme", "value": if screen.dark { "dark" } else { "light" }},
            {"name": "prefers-reduced-motion", "value": if screen.reduced_motion { "reduce" } else { "no-preference" }},
        ]);
        self.ask("Emulation.setEmulatedMedia", json!({ "features": features })).map(drop)
    }

    /// Runs a script and returns its result.
    pub(super) fn evaluate(&mut self, script: &str) -> Result<Value> {
        let parameters = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.ask("Runtime.evaluate", parameters)?;
        if let Some(problem) = answer.get("exceptionDetails") {
            bail!("`{script}` throws {problem}");
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until the text of the selected element contains all of these parts.
    pub(super) fn shows(&mut self, selector: &str, texts: &[&str]) -> Result<()> {
        let script = format!(
            "[...document.querySelectorAll({})].map((e) => e.textContent).join(' | ')",
            json!(selector)
        );
        let mut last = String::new();
        let shown = poll(SOON, || {
            last = self.evaluate(&script)?.as_str().unwrap_or_default().to_owned();
            Ok(texts.iter().all(|text| last.contains(text)).then_some(()))
        })?;
        match shown {
            Some(()) => Ok(()),
            None => bail!("`{selector}` should contain {texts:?}, but contains {last:?}"),
        }
    }

    /// Waits until a script returns true.
    pub(super) fn holds(&mut self, what: &str, script: &str) -> Result<()> {
        match poll(SOON, || Ok(self.evaluate(script)?.as_bool().filter(|holds| *holds)))? {
            Some(_) => Ok(()),
            None => bail!("{what}: `{script}` stays false"),
        }
    }

    /// Takes a picture of the whole page.
    pub(super) fn picture(&mut self, file: &Path) -> Result<()> {
        // Wait for the highlight of new entries to fade.
        self.holds(
            "it comes to rest",
            "document.getAnimations().every((a) => a.effect.getTiming().iterations > 1)",
        )?;
        let picture = self.ask("Page.captureScreenshot", json!({"captureBeyondViewport": true}))?;
        let bytes = base64(picture["data"].as_str().unwrap_or_default());
        fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
    }

    /// Returns the errors since the last call: errors of scripts, and violations of the page's
    /// security policy.
    pub(super) fn complaints(&mut self) -> Vec<String> {
        self.digest();
        std::mem::take(&mut self.complaints)
    }

    /// Returns the number of requests, and the maximum number that were open at once.
    pub(super) fn questions(&mut self) -> (usize, usize) {
        self.digest();
        (self.questions.asked, self.questions.most_at_once)
    }

    fn ask(&mut self, method: &str, parameters: Value) -> Result<Value> {
        self.browser.ask(Some(&self.session), method, parameters)
    }

    fn digest(&mut self) {
        for event in self.browser.take_events().into_iter().filter(|event| event["sessionId"] == self.session)
        {
            let parameters = &event["params"];
            let id = || parameters["requestId"].as_str().unwrap_or_default().to_owned();
            match event["method"].as_str() {
                Some("Runtime.exceptionThrown") => {
                    self.complaints.push(parameters["exceptionDetails"].to_string())
                }
                Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                    self.complaints.push(parameters["entry"].to_string());
                }
                Some("Network.requestWillBeSent") if is_question(parameters) => self.questions.asked(id()),
                Some("Network.loadingFinished" | "Network.loadingFailed") => {
                    self.questions.open.remove(&id());
                }
                _ => {}
            }
        }
    }
}

impl Drop for Tab<'_> {
    fn drop(&mut self) {
        // A tab that stays open continues its requests, which is harmless.
        let _ = self.browser.ask(None, "Target.closeTarget", json!({"targetId": self.target}));
    }
}

impl Questions {
    fn asked(&mut self, id: String) {
        self.open.insert(id);
        self.asked += 1;
        self.most_at_once = self.most_at_once.max(self.open.len());
    }
}

fn is_question(parameters: &Value) -> bool {
    parameters["request"]["url"].as_str().is_some_and(|url| url.contains("/inspect"))
}

/// Decodes Base64, the encoding that the protocol uses for bytes.
fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let value = |letter| LETTERS.iter().position(|other| *other == letter);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_usize, 0);
    for value in text.bytes().map_while(value) {
        bits = bits << 6 | value;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
            bits &= (1 << held) - 1;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_what_fills_it_up() {
        assert_eq!(base64("T2JpdCE="), b"Obit!");
        assert_eq!(base64("T2JpdA=="), b"Obit");
        assert_eq!(base64("AP/+"), [0, 255, 254]);
    }
}
