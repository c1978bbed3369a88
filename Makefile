# Every target does all of its own set-up: on Debian, git, make and Go are enough. What else is needed is fetched once
# into the user's cache (vmm/debian), without root; build/tools has links to it.

GO     ?= go
TOOLS  := $(CURDIR)/build/tools
GUEST  := $(CURDIR)/build/guest
LINUX  := $(wildcard guest/linux/*.c guest/linux/*.h guest/linux/Kbuild guest/linux/build.sh)
ARM64  := GOOS=linux GOARCH=arm64 CGO_ENABLED=0

# Packages whose tests need KVM, and the files that those use.
KVM_TESTS := kvmarm vmm guest
KVM_FILES := build/guest build/primary.cpio build/ffa.cpio build/tools/guest-kernel build/tools/ffa-kernel

# One CPU, because two cost several times as much where they are emulated.
DEMO_CPUS := 1

export PATH := $(TOOLS)/bin:$(PATH)

.PHONY: all build tools guests baremetal init lint unit lab-tests test soak demo bench bench-lock fuzz clean

all: build guests

build:
	$(GO) build -o bin/hfvmm ./cmd/hfvmm
	$(ARM64) $(GO) build -o bin/hfvmm-linux-arm64 ./cmd/hfvmm

tools:
	@$(GO) run ./guest/toolchain build/tools

guests: baremetal build/primary.cpio build/ffa.cpio

baremetal: | tools
	@$(MAKE) --no-print-directory -s -C guest/baremetal OUT=$(GUEST)

build/tools/linux-headers/.config: | tools ;

MODULES := hfvmm sdei_test pvsched

$(MODULES:%=build/guest/%.ko) &: $(LINUX) build/tools/linux-headers/.config
	guest/linux/build.sh build/tools/linux-headers build/tools/linux-headers-common build/guest

init:
	$(ARM64) $(GO) build -trimpath -ldflags="-s -w" -o build/guest/ ./guest/init ./guest/hf_test

build/primary.cpio: $(MODULES:%=build/guest/%.ko) init
	$(GO) run ./guest/initramfs $@ /init=build/guest/init /bin/hf_test=build/guest/hf_test \
		$(foreach m,$(MODULES),/$m.ko=build/guest/$m.ko)

build/tools/ffa-headers/.config: | tools ;

FFA_MODULES := ffa_test ffa_sched

$(FFA_MODULES:%=build/guest/%.ko) &: $(wildcard guest/linux/ffa/*) guest/linux/build.sh build/tools/ffa-headers/.config
	guest/linux/build.sh build/tools/ffa-headers build/tools/ffa-headers-common build/guest guest/linux/ffa

# For a kernel that has a driver for FF-A: its own modules, as Debian made them, and ours.
build/ffa.cpio: $(FFA_MODULES:%=build/guest/%.ko) init
	$(GO) run ./guest/initramfs $@ /init=build/guest/init $(foreach m,$(FFA_MODULES),/$m.ko=build/guest/$m.ko) \
		$$(for m in build/tools/ffa-modules/*; do echo /modules/$${m##*/}=$$m; done)

lint:
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	GOOS=linux GOARCH=amd64 $(GO) vet ./...
	GOOS=linux GOARCH=arm64 $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	$(GO) build -o build/staticcheck honnef.co/go/tools/cmd/staticcheck
	printf 'amd64: GOOS=linux GOARCH=amd64\narm64: GOOS=linux GOARCH=arm64\n' | build/staticcheck -matrix ./...

unit: | tools
	$(GO) test -race -timeout 30m ./...

# In one boot of the lab, or on this host if it has KVM for arm64.
lab-tests: build guests
	HFVMM_REQUIRE_LAB=1 $(GO) test -race -timeout 30m ./vmm/lab
	HFVMM_REQUIRE_LAB=1 $(GO) test -count=1 -timeout 30m ./cmd/hfvmm
	$(GO) run ./vmm/lab/runtests -timeout 60m $(KVM_FILES:%=-with %) $(KVM_TESTS)

test: lint unit lab-tests

# What takes long: the suites of guest/baremetal with their long tests, ten times without those on labs with 1, 2 and 4
# CPUs and both kernels as the host of KVM; then the jobs of a Linux primary, which do a hundred times more. Long
# tests are those that ask for HFVMM_SOAK=1.
SOAK_COUNT   ?= 10
SOAK_CPUS    ?= 1 2 4
SOAK_KERNELS ?= build/tools/guest-kernel build/tools/lab-kernel
SUITES       := $(GO) run ./vmm/lab/runtests -with build/guest -timeout 24h

soak: guests
	HFVMM_SOAK=1 $(SUITES) -kernel build/tools/lab-kernel -run TestSuites vmm
	@for kernel in $(SOAK_KERNELS); do for cpus in $(SOAK_CPUS); do \
		echo "soak: suites $(SOAK_COUNT) times, $$cpus CPUs, $$kernel"; \
		$(SUITES) -kernel $$kernel -cpu $$cpus -count $(SOAK_COUNT) -run TestSuites vmm || exit 1; \
	done; done
	@echo "soak: random calls against the models"
	HFVMM_SOAK=1 $(GO) test -race -count=1 -timeout 6h -run 'Millions|AtTheSameTime' ./ffa ./sdei
	@echo "soak: jobs of a Linux primary"
	HFVMM_SOAK=1 $(GO) run ./vmm/lab/runtests -kernel build/tools/lab-kernel -timeout 24h \
		-run 'TestJobsOfALinuxPrimary|OnTheFFABus' $(KVM_FILES:%=-with %) guest
	@for kernel in $(SOAK_KERNELS); do \
		echo "soak: two Linux guests $(SOAK_COUNT) times, $$kernel"; \
		HFVMM_SOAK=1 $(GO) run ./vmm/lab/runtests -kernel $$kernel -timeout 24h -count $(SOAK_COUNT) -run BesideAPartition $(KVM_FILES:%=-with %) guest || exit 1; \
	done

# The partition for which Linux's OP-TEE driver looks.
OPTEE_UUID := 486178e0-e7f8-11e3-bc5e-0002a5d5c51b

# The job that hfvmm is for: Linux as the primary VM schedules a bare-metal secondary and talks to it.
demo: build guests
	@echo "Debian's Linux for arm64 boots as the primary VM, beside the bare-metal secondary guest/baremetal/service/echo.c."
	@echo "Where there is no KVM for arm64, QEMU emulates a host that has it."
	bin/hfvmm run --abi spci --primary build/tools/guest-kernel --initrd build/primary.cpio --cpus $(DEMO_CPUS) \
		--cmdline "console=ttyAMA0 quiet hfdemo" --secondary build/guest/echo.bin,name=echo
	@echo "And one with a stock FF-A driver finds partitions and talks to one that speaks OP-TEE's protocol, by its own OP-TEE driver."
	bin/hfvmm run --primary build/tools/ffa-kernel --initrd build/ffa.cpio --cpus $(DEMO_CPUS) \
		--cmdline "console=ttyAMA0 quiet hftest=ffa,tee" --secondary build/guest/ffa_echo.bin \
		--secondary build/guest/ffa_tee.bin,uuid=$(OPTEE_UUID)

# Instructions that hfvmm spends on a call, beside those of a C program that does only what it must.
bench: build baremetal
	@$(MAKE) --no-print-directory -s -C testdata/bench OUT=$(GUEST)
	$(GO) run ./vmm/lab/bench -kernel build/tools/lab-kernel -out build/bench.json build/guest bin/hfvmm-linux-arm64

# What PV_SCHED is good for: a contended lock with and without it. This is time, not a count: let nothing else run.
LOCK_RUNS ?= 15

bench-lock: build baremetal
	$(GO) run ./vmm/lab/bench -kernel build/tools/lab-kernel -lock $(LOCK_RUNS) -out build/lock.json build/guest bin/hfvmm-linux-arm64

# Inputs are made smaller a little only: by default that may take a minute for each, which is all there is.
fuzz: | tools
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-60s} -fuzzminimizetime 50x $$p || exit 1; \
		done; \
	done

clean:
	rm -rf bin build
