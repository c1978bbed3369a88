# Every target does all of its own set-up: on Debian, git, make and Go are enough. What else is needed is fetched once
# into the user's cache (vmm/debian), without root; build/tools has links to it.

GO     ?= go
TOOLS  := $(CURDIR)/build/tools
GUEST  := $(CURDIR)/build/guest
LINUX  := $(wildcard guest/linux/*.c guest/linux/*.h guest/linux/Kbuild guest/linux/build.sh)
ARM64  := GOOS=linux GOARCH=arm64 CGO_ENABLED=0

# Packages whose tests need KVM, and the files that those use.
KVM_TESTS := kvmarm vmm
KVM_FILES := build/guest build/primary.cpio build/tools/guest-kernel

export PATH := $(TOOLS)/bin:$(PATH)

.PHONY: all build tools guests baremetal init lint unit lab-tests test demo bench fuzz clean

all: build guests

build:
	$(GO) build -o bin/hfvmm ./cmd/hfvmm
	$(ARM64) $(GO) build -o bin/hfvmm-linux-arm64 ./cmd/hfvmm

tools:
	@$(GO) run ./guest/toolchain build/tools

guests: baremetal build/primary.cpio

baremetal: | tools
	@$(MAKE) --no-print-directory -s -C guest/baremetal OUT=$(GUEST)

build/tools/linux-headers/.config: | tools ;

build/guest/hfvmm.ko: $(LINUX) build/tools/linux-headers/.config
	guest/linux/build.sh build/tools/linux-headers build/tools/linux-headers-common $@

init:
	$(ARM64) $(GO) build -trimpath -o build/guest/init ./guest/init

build/primary.cpio: build/guest/hfvmm.ko init
	$(GO) run ./guest/initramfs $@ /init=build/guest/init /hfvmm.ko=build/guest/hfvmm.ko

lint:
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change: $$unformatted"; exit 1; fi
	GOOS=linux GOARCH=amd64 $(GO) vet ./...
	GOOS=linux GOARCH=arm64 $(GO) vet ./...
	GOOS=darwin GOARCH=arm64 $(GO) vet ./...
	$(GO) build -o build/staticcheck honnef.co/go/tools/cmd/staticcheck
	GOOS=linux GOARCH=amd64 build/staticcheck ./...
	GOOS=linux GOARCH=arm64 build/staticcheck ./...

unit: | tools
	$(GO) test -race ./...

# In one boot of the lab, or on this host if it has KVM for arm64.
lab-tests: build guests
	HFVMM_REQUIRE_LAB=1 $(GO) test -count=1 ./vmm/lab
	$(GO) run ./vmm/lab/runtests $(KVM_FILES:%=-with %) $(KVM_TESTS)

test: lint unit lab-tests

fuzz: | tools
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-20s} $$p || exit 1; \
		done; \
	done

clean:
	rm -rf bin build
