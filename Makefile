# The two commands of the README, and what they are made of. Nothing is written into the checkout.
.PHONY: run test check wheel bench lock help
.DEFAULT_GOAL := help

run:   ## from nothing to a real Envoy with the example filter, replaying captured traffic
	@tools/run

test:  ## everything, from nothing: linter, formatter, type checker, all tests on two Pythons
	@tools/test

check: ## linter, formatter and type checker only
	@tools/check

wheel: ## the wheel with the built runtime inside, in dist/
	@tools/wheel

bench: ## the figures of docs/benchmarks.md
	@tools/bench

lock:  ## pin every dependency anew
	@tools/lock

help:
	@sed -n 's/^\([a-z]*\):[[:space:]]*## \(.*\)/make \1\t\2/p' Makefile | expand -t 12
