//! Checks of the page, in the order in which the events happen.

use std::path::Path;

use anyhow::{Result, bail};
use harness::conditions::ensure;

use super::{
    browser::Browser,
    nodes::{HOSTILE, Nodes},
    tab::{Screen, Tab},
};

/// A check: it gets the browser, the nodes in the state that the earlier checks left, and the
/// folder for pictures.
type Check = fn(&mut Browser, &mut Nodes, &Path) -> Result<()>;

/// All checks, each with a description.
pub(super) const ALL: [(&str, Check); 8] = [
    ("the node, its peers, its monitors and each Down", ends_are_shown),
    ("names of peers are shown as text, regardless of their characters", names_are_text),
    ("the page of a node that is watched names its watchers", the_watched_see_their_watchers),
    (
        "readable in light and dark, on a phone and on a wide screen, and without motion if the user prefers that",
        readable,
    ),
    ("all of many monitors are counted, and the page is not longer than its content", many_are_counted),
    ("a filter shows only matching entries, and tells if there are none", filtered),
    ("a slow node gets one request at a time", questions_do_not_pile_up),
    ("a lost node is shown as lost, and as live when it is back", a_lost_node_comes_back),
];

const WIDE: Screen = Screen { width: 1440, height: 1000, dark: false, reduced_motion: false };
const PHONE: Screen = Screen { width: 360, height: 780, dark: false, reduced_motion: false };

fn ends_are_shown(browser: &mut Browser, nodes: &mut Nodes, folder: &Path) -> Result<()> {
    let mut tab = open(browser, &nodes.page())?;
    tab.shows("h1", &[&nodes.watcher_name()])?;
    let peers = [&nodes.stays.node, &nodes.fails.node, &nodes.killed.node].map(String::as_str);
    tab.shows("#nodes th", &peers)?;
    tab.shows("#monitors li", &["importer", "nightly-report", "uploader"])?;
    tab.picture(&folder.join("before.png"))?;

    nodes.fails.finish();
    tab.shows(
        "#downs li.bad",
        &["ended", "nightly-report", &nodes.fails.node, "status 7", "reported by its own node"],
    )?;
    nodes.killed.running.kill();
    tab.shows("#downs li.lost", &["no connection", "uploader", &nodes.killed.node, "may still be alive"])?;
    tab.shows("#nodes tr.gone", &[&nodes.killed.node])?;
    tab.shows("#counts", &["dials"])?;
    contents(&mut tab)
}

fn names_are_text(browser: &mut Browser, nodes: &mut Nodes, _: &Path) -> Result<()> {
    let mut tab = open(browser, &nodes.page())?;
    tab.shows("#monitors li", &[HOSTILE])?;
    nodes.hostile.finish();
    tab.shows("#downs li.good", &[HOSTILE, "normal"])?;
    tab.holds("no name makes an element", "document.images.length === 1")?;
    contents(&mut tab)
}

fn the_watched_see_their_watchers(browser: &mut Browser, nodes: &mut Nodes, _: &Path) -> Result<()> {
    let mut tab = open(browser, &nodes.page_of_job())?;
    tab.shows("h1", &[&nodes.stays.node])?;
    tab.shows("#monitors li", &[&nodes.watcher_name(), "watches", nodes.stays.name])?;
    contents(&mut tab)
}

fn readable(browser: &mut Browser, nodes: &mut Nodes, folder: &Path) -> Result<()> {
    let mut tab = open(browser, &nodes.page())?;
    for (screen, size) in [(WIDE, "wide"), (PHONE, "phone")] {
        for (dark, shade) in [(false, "light"), (true, "dark")] {
            tab.look_with(Screen { dark, ..screen })?;
            tab.picture(&folder.join(format!("{size}-{shade}.png")))?;
            tab.holds("nothing is cut off", "document.documentElement.scrollWidth <= innerWidth")?;
            let faint = tab.evaluate(include_str!("contrast.js"))?;
            ensure(faint.as_array().is_some_and(Vec::is_empty), || {
                format!("{size}, {shade}: too faint: {faint}")
            })?;
        }
    }
    tab.look_with(Screen { reduced_motion: true, ..WIDE })?;
    tab.holds("nothing moves", "document.getAnimations().length === 0")?;
    contents(&mut tab)
}

fn many_are_counted(browser: &mut Browser, nodes: &mut Nodes, folder: &Path) -> Result<()> {
    let _crowd = nodes.crowd(300)?;
    let mut tab = open(browser, &nodes.page_of_job())?;
    tab.shows("#nodes td", &["300"])?;
    tab.shows("#monitors-of", &["the first 200 of 301"])?;
    tab.look_with(PHONE)?;
    tab.picture(&folder.join("many.png"))?;
    let bottom = "document.querySelector('footer').getBoundingClientRect().bottom + scrollY";
    tab.holds(
        "there is nothing below its end",
        &format!("document.documentElement.scrollHeight < {bottom} + 60"),
    )?;
    contents(&mut tab)
}

fn filtered(browser: &mut Browser, nodes: &mut Nodes, _: &Path) -> Result<()> {
    let mut tab = open(browser, &nodes.page())?;
    let filter = |tab: &mut Tab<'_>, text: &str| {
        let script = format!(
            "(() => {{ const f = document.getElementById('filter'); f.value = '{text}'; f.dispatchEvent(new Event('input')); }})()"
        );
        tab.evaluate(&script).map(drop)
    };
    filter(&mut tab, "IMPORTER")?;
    tab.holds("one is left", "document.querySelectorAll('#monitors li').length === 1")?;
    tab.shows("#downs-none", &["Nothing matches the filter"])?;
    filter(&mut tab, "")?;
    tab.shows("#downs li", &["nightly-report"])?;
    tab.holds("nothing is said where something is shown", "document.getElementById('downs-none').hidden")?;
    contents(&mut tab)
}

fn questions_do_not_pile_up(browser: &mut Browser, nodes: &mut Nodes, _: &Path) -> Result<()> {
    let mut tab = open(browser, &nodes.page_of_lone())?;
    nodes.lone.freeze()?;
    tab.shows("#status", &["lost"])?;
    nodes.lone.thaw()?;
    tab.shows("#status", &["live"])?;
    let (asked, most) = tab.questions();
    ensure(asked > 1 && most == 1, || format!("{asked} requests, {most} of them at once"))
}

fn a_lost_node_comes_back(browser: &mut Browser, nodes: &mut Nodes, folder: &Path) -> Result<()> {
    let mut tab = open(browser, &nodes.page())?;
    let details = tab.evaluate("document.getElementById('details').textContent")?;
    nodes.watcher.kill();
    tab.shows("#status", &["lost"])?;
    tab.shows("#notice", &["The node is lost"])?;
    tab.shows("#notice-age", &["ago"])?;
    tab.evaluate("document.getElementById('pause').click()")?;
    tab.shows("#status", &["lost, paused"])?;
    tab.shows("#notice", &["not asked again"])?;
    tab.evaluate("document.getElementById('pause').click()")?;
    tab.picture(&folder.join("lost.png"))?;
    nodes.restart_watcher()?;
    tab.shows("#status", &["live"])?;
    tab.shows("#notice", &["was restarted"])?;
    tab.shows("#monitors li", &["importer"])?;
    tab.holds(
        "it is another incarnation",
        &format!("document.getElementById('details').textContent !== {details}"),
    )
}

fn open<'b>(browser: &'b mut Browser, url: &str) -> Result<Tab<'b>> {
    let mut tab = Tab::new(browser)?;
    tab.look_with(WIDE)?;
    tab.open(url)?;
    tab.shows("#status", &["live"])?;
    Ok(tab)
}

/// Fails if the browser reported an error.
fn contents(tab: &mut Tab<'_>) -> Result<()> {
    match tab.complaints() {
        complaints if complaints.is_empty() => Ok(()),
        complaints => bail!(complaints.join("\n")),
    }
}
