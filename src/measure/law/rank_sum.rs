//! The exact law of the Mann-Whitney statistic, for small samples without ties.

/// The chance that U is at least `u`, for samples of `few` and `many` values without ties: the share of the ways
/// to choose ranks. `None` when there are too many ways to count (`few * many` beyond 10,000).
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    reason = "sizes are bounded at the start"
)]
pub fn rank_sum_tail(u: f64, few: u64, many: u64) -> Option<f64> {
    if few.checked_mul(many)? > 10_000 {
        return None;
    }
    let (few, many) = (few.min(many) as usize, few.max(many) as usize);
    let largest = few * many;
    // ways[k][s]: how many choices of k of the ranks so far exceed the k smallest ranks by s in sum. As chances:
    // the counts themselves leave the range of integers, but are exact as floats as long as they fit.
    let mut ways = vec![vec![0.0f64; largest + 1]; few + 1];
    ways[0][0] = 1.0;
    for rank in 0..few + many {
        for chosen in (0..few.min(rank + 1)).rev() {
            let Some(excess) = rank.checked_sub(chosen).filter(|excess| *excess <= many) else { continue };
            for sum in (excess..=largest).rev() {
                let add = ways[chosen][sum - excess];
                ways[chosen + 1][sum] += add;
            }
        }
    }
    let all: f64 = ways[few].iter().sum();
    let from = (u.ceil().max(0.0) as usize).min(largest + 1);
    Some(ways[few][from..].iter().sum::<f64>() / all)
}
