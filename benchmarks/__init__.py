"""Speed, as ratios within one run: every figure stands beside a yardstick measured with it."""
