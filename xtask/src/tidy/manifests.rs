//! Checks the manifest fields of published packages, and the features that the facade must forward.

use super::{
    Finding,
    packages::{Dependency, Package},
};

/// The package that re-exports the library under the name of the product, and that library.
const FACADE: &str = "obit";
const LIBRARY: &str = "monitor-runtime";
/// The features that are not meant for users.
const INTERNAL: [&str; 1] = ["fuzzing"];

pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let published = packages.iter().filter(|package| package.is_published());
    let mut findings: Vec<_> = published.flat_map(|package| unpublishable(package, packages)).collect();
    findings.extend(not_forwarded(packages));
    findings
}

/// Why a registry would refuse a package, or show less of it than it should.
fn unpublishable(package: &Package, packages: &[Package]) -> Vec<Finding> {
    let present = [
        ("description", package.description.is_some()),
        ("license", package.license.is_some()),
        ("documentation", package.documentation.is_some()),
        ("readme", package.readme.is_some()),
        ("keywords", !package.keywords.is_empty()),
        ("categories", !package.categories.is_empty()),
        ("rust-version", package.rust_version.is_some()),
    ];
    let missing = present.into_iter().filter(|(_, present)| !present);
    let mut findings: Vec<_> = missing
        .map(|(key, _)| finding(package, format!("lacks `{key}`, which a published package has")))
        .collect();
    // Cargo leaves out a dependency of tests that has no version.
    let used = package.dependencies.iter().filter(|used| used.path.is_some() && used.kind.is_none());
    for Dependency { name, req, .. } in used {
        if req == "*" {
            findings.push(finding(package, format!("depends on {name} by its path alone: add the version")));
        }
        if packages.iter().any(|other| other.name == *name && !other.is_published()) {
            findings.push(finding(package, format!("depends on {name}, which is not published")));
        }
    }
    findings
}

/// The features of the library that the facade does not forward.
fn not_forwarded(packages: &[Package]) -> Vec<Finding> {
    let find = |name| packages.iter().find(|package| package.name == name);
    let (Some(facade), Some(library)) = (find(FACADE), find(LIBRARY)) else { return Vec::new() };
    let forwards = |feature: &str| {
        let wanted = format!("{LIBRARY}/{feature}");
        feature == "default" || facade.features.get(feature).is_some_and(|brings| brings.contains(&wanted))
    };
    let features = library.features.keys().filter(|feature| !INTERNAL.contains(&feature.as_str()));
    let lacking = features.filter(|feature| !forwards(feature));
    lacking
        .map(|feature| finding(facade, format!("does not forward the feature `{feature}` of {LIBRARY}")))
        .collect()
}

fn finding(package: &Package, what: String) -> Finding {
    Finding { file: format!("{}/Cargo.toml", package.folder()), line: 0, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(name: &str) -> Package {
        Package {
            description: Some("What it is".to_owned()),
            license: Some("MIT".to_owned()),
            documentation: Some("a page".to_owned()),
            readme: Some("README.md".to_owned()),
            keywords: vec!["monitor".to_owned()],
            categories: vec!["concurrency".to_owned()],
            rust_version: Some("1.88".to_owned()),
            ..Package::named(name)
        }
    }

    fn using(name: &str, req: &str, kind: Option<&str>) -> Package {
        let dependency = Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            optional: false,
            req: req.to_owned(),
            path: Some("somewhere".into()),
        };
        Package { dependencies: vec![dependency], ..complete("user") }
    }

    #[test]
    fn a_manifest_that_lacks_a_key_is_found() {
        assert_eq!(check(&[complete("whole")]), []);
        assert_eq!(check(&[Package { license: None, ..complete("without") }]).len(), 1);
        let unpublished = Package { license: None, publish: Some(Vec::new()), ..complete("tool") };
        assert_eq!(check(&[unpublished]), []);
    }

    #[test]
    fn a_dependency_that_no_registry_has_is_found() {
        assert_eq!(check(&[using("other", "^0.1.0", None), complete("other")]), []);
        assert_eq!(check(&[using("other", "*", None), complete("other")]).len(), 1, "no version");
        assert_eq!(check(&[using("other", "*", Some("dev")), complete("other")]), [], "only for tests");
        let tool = Package { publish: Some(Vec::new()), ..complete("tool") };
        assert_eq!(check(&[using("tool", "^0.1.0", None), tool]).len(), 1, "not published");
    }

    #[test]
    fn a_feature_that_is_not_forwarded_is_found() {
        let with = |name, features: &[(&str, &str)]| {
            let one = |(feature, brings): &(&str, &str)| ((*feature).to_owned(), vec![(*brings).to_owned()]);
            Package { features: features.iter().map(one).collect(), ..complete(name) }
        };
        let library = || with(LIBRARY, &[("default", "tcp"), ("tcp", "dep:tcp"), ("fuzzing", "")]);
        assert_eq!(check(&[library(), with(FACADE, &[("tcp", "monitor-runtime/tcp")])]), []);
        assert_eq!(check(&[library(), with(FACADE, &[("tcp", "")])]).len(), 1);
    }
}
