# Accord: the commands.  Each is a small program of harness/ with its own --help.

SHELL := /bin/bash
CONFIG ?= vm
SERIES ?= all
TOPIC ?=
TEST ?=
SMP ?= 4
MEM ?=
APPEND ?=
CASE ?=
ROUNDS ?= 3
KERNELS ?=
H := harness
VM = $(H)/vm --smp "$(SMP)" $(if $(MEM),--mem "$(MEM)") --append "$(APPEND)"
WHICH = $(if $(TOPIC),--topic "$(TOPIC)") $(if $(TEST),--test "$(TEST)")

.DEFAULT_GOAL := help
.PHONY: help run check shell tree kernel image series series-check mutate lint check-foreign bench bench-report clean
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'
	@echo
	@echo '  CONFIG=vm|stock|debug|race   TOPIC="process-madvise ..."   TEST=collection:program   SERIES=all|none'
	@echo '  CASE="off-* slice-lock"  ROUNDS=3  KERNELS="base=IMAGE ours=IMAGE 7.3=IMAGE", for make bench'
	@echo '  SMP=4  MEM=2G  APPEND="more on the kernel command line"  BASE_DEB=/path/to/linux-source-5.10.deb'

run: ## build, boot and show each topic at work (installs what is missing)
	@$(H)/deps build vm
	@$(H)/run $(if $(TOPIC),--topic "$(TOPIC)")

check: ## build, boot and run every selftest; CONFIG= may name several
	@$(H)/deps build vm bench
	@$(H)/check --config "$(CONFIG)" $(WHICH) --smp "$(SMP)" $(if $(MEM),--mem "$(MEM)") --append "$(APPEND)"

shell: ## the same VM with a prompt; exit or Ctrl-A X leaves it
	@$(H)/deps build vm
	@image=$$($(H)/kernel --config "$(CONFIG)" --series "$(SERIES)" | tail -n 1) && $(VM) --kernel "$$image" --shell

tree: ## lay the base out in build/linux-5.10 with our files and the series
	@$(H)/deps build
	@$(H)/tree --series "$(SERIES)"

kernel: ## build the kernel
	@$(H)/deps build
	@$(H)/kernel --config "$(CONFIG)" --series "$(SERIES)" > /dev/null

image: ## build the kernel; the last line printed is the bootable image's path
	@$(H)/deps build
	@$(H)/kernel --config "$(CONFIG)" --series "$(SERIES)"

series: ## write the mailable series to build/series
	@$(H)/deps build
	@$(H)/series

series-check: ## build and boot every prefix of the series
	@$(H)/deps build vm dev
	@$(H)/series-check

mutate: ## break one hook at a time and list those that no test misses; TOPIC= TOGETHER=
	@$(H)/deps build vm dev
	@$(H)/mutate $(if $(TOPIC),--topic "$(TOPIC)") $(if $(TOGETHER),--together $(TOGETHER))

lint: ## static checks of the series and of our files
	@$(H)/deps build lint dev
	@$(H)/lint

check-foreign: ## run mainline 7.3's selftests and others' programs, unmodified, on our kernel; TOPIC=
	@$(H)/deps build vm foreign
	@$(H)/check-foreign --config "$(CONFIG)" $(if $(TOPIC),--topic "$(TOPIC)")

bench: ## measure ours beside the base and mainline 7.3; CASE= ROUNDS=
	@$(H)/deps build vm bench
	@$(H)/bench --rounds "$(ROUNDS)" $(if $(CASE),--case "$(CASE)") $(KERNELS:%=--kernel %)

bench-report: ## write BENCH.md from what make bench measured last
	@$(H)/bench --report

clean: ## remove everything made (the downloaded sources stay in the cache)
	rm -rf build
