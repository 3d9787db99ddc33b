"""Pure judgement of health: age rule, rollup, codes; every reader judges by the same words."""
