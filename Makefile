# Everything begins here: `make up` for a cluster, `make test` for proof. Each target installs what it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
RUTTER_DIR ?= .rutter
SEEDS ?= 50
FUZZ ?= 60
NODES ?= 3
TARGET := $(shell scripts/target)
export CARGO_TARGET_DIR := $(TARGET)

.PHONY: help up test compat check bench simulate fuzz clean build

help:          ## what can be made
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

build:
	@scripts/install build
	@echo "building rutter (the first time takes a quarter of an hour, RocksDB most of it)"
	@cargo build --locked -p rutter-cli

up: build      ## build, start three members and a node on this machine, write a kubeconfig; Ctrl-C stops it
	@scripts/install node
	@exec $(TARGET)/debug/rutter up --dir $(RUTTER_DIR) $(UP)

test:          ## all tests, kubectl transcripts and a bounded sweep of simulated clusters among them
	@scripts/install test
	@scripts/test

compat: build  ## stock kubectl, helm, Python, kopf, JavaScript and kube-rs clients against a cluster; SUITES="helm node": these alone
	@scripts/install compat
	@scripts/compat $(SUITES)

check:         ## formatting, lints, the house rules, licences
	@scripts/install check
	@scripts/check

bench:         ## build with optimisation, run the benchmark table beside etcd, write docs/benchmarks.md
	@scripts/install bench
	@scripts/bench

simulate: build ## SEEDS=50 simulated clusters of NODES=3 nodes and three members under faults; NODES=0: members alone
	@$(TARGET)/debug/rutter simulate --runs $(SEEDS) --nodes $(NODES)

fuzz:          ## FUZZ=60 seconds for each of seven targets: what clients may send, made up; two at a time
	@scripts/install build
	@scripts/fuzz $(FUZZ)

clean:         ## stop what `make up` left behind, remove its directory and what was built
	@if [ -x $(TARGET)/debug/rutter ] && [ -d $(RUTTER_DIR) ]; then $(TARGET)/debug/rutter purge --dir $(RUTTER_DIR); fi
	@rm -rf $(RUTTER_DIR)
	@cargo clean
