//! How a cost grows: the power of the size that fits it best.

/// `factor * size ^ exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Growth {
    pub(super) exponent: f64,
    factor: f64,
}

impl Growth {
    /// The least squares of the logarithms, so that every size counts alike. Returns `None` without
    /// two different sizes. Values that are not above zero have no logarithm and are ignored.
    pub(super) fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let above_zero = points.iter().filter(|(size, cost)| *size > 0.0 && *cost > 0.0);
        let logs: Vec<(f64, f64)> = above_zero.map(|(size, cost)| (size.ln(), cost.ln())).collect();
        let count = logs.len() as f64;
        let (mean_x, mean_y) =
            logs.iter().fold((0.0, 0.0), |(x, y), log| (x + log.0 / count, y + log.1 / count));
        let spread: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        // A variance this small comes from rounding the logarithm of a single size.
        if spread < 1e-9 {
            return None;
        }
        let slope: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let exponent = slope / spread;
        Some(Growth { exponent, factor: (mean_y - exponent * mean_x).exp() })
    }

    /// Returns the fitted cost at that size.
    pub(super) fn at(self, size: f64) -> f64 {
        self.factor * size.powf(self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * b.abs().max(1.0)
    }

    #[test]
    fn powers_are_found_exactly() {
        for exponent in [-1.0, 0.0, 0.5, 1.0, 2.0] {
            let points: Vec<_> = [10.0, 25.0, 200.0_f64].map(|size| (size, 3.0 * size.powf(exponent))).into();
            let growth = Growth::fit(&points).expect("three sizes");
            assert!(close(growth.exponent, exponent), "{exponent}: {growth:?}");
            assert!(close(growth.at(1000.0), 3.0 * 1000_f64.powf(exponent)), "{exponent}: {growth:?}");
        }
    }

    #[test]
    fn of_errors_on_both_sides_it_is_the_middle() {
        let growth = Growth::fit(&[(1.0, 2.0), (1.0, 0.5), (10.0, 20.0), (10.0, 5.0)]).expect("two sizes");
        assert!(close(growth.exponent, 1.0) && close(growth.at(10.0), 10.0), "{growth:?}");
    }

    #[test]
    fn without_two_sizes_there_is_no_growth() {
        assert_eq!(Growth::fit(&[]), None);
        assert_eq!(Growth::fit(&[(10.0, 1.0), (10.0, 7.0)]), None);
        assert_eq!(Growth::fit(&[(10.0, 1.0), (20.0, 0.0), (0.0, 3.0)]), None);
    }
}
