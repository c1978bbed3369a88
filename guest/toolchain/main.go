// Command toolchain gathers in a folder what building and testing hfvmm needs, for a machine that has
// no more than Debian 12, git, make and Go, and without root:
//
//	bin                   C compiler for this machine and for arm64 (aarch64-linux-gnu-gcc), binutils,
//	                      dtc, qemu-system-aarch64: those that do not work here already
//	lab-kernel            the kernel of the lab
//	guest-kernel          the kernel of Linux primaries
//	linux-headers         what modules for guest-kernel are built with: the part for arm64
//	linux-headers-common  and the part for all architectures
//	ffa-kernel, ffa-headers, ffa-headers-common
//	                      the same of a kernel that speaks FF-A
//	ffa-modules           its own modules for that
//
// All of it are links into the cache of package debian. It is safe to run again: what is there is kept.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hfvmm/hfvmm/vmm/debian"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: toolchain DIR")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := gather(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "toolchain:", err)
		os.Exit(1)
	}
}

func gather(ctx context.Context, dir string) error {
	cache, err := debian.Open()
	if err != nil {
		return err
	}
	cache.Progress = func(what string) { fmt.Fprintln(os.Stderr, "toolchain:", what) }
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for _, t := range tools {
		if t.works(ctx) {
			continue
		}
		root, err := cache.Install(ctx, t.set())
		if err != nil {
			return err
		}
		scripts, err := filepath.Glob(filepath.Join(root, "bin", "*"))
		if err != nil {
			return err
		}
		for _, s := range scripts {
			if err := link(s, filepath.Join(bin, filepath.Base(s))); err != nil {
				return err
			}
		}
	}
	lab, err := cache.Image(ctx, debian.LabKernel())
	if err != nil {
		return err
	}
	if err := link(lab, filepath.Join(dir, "lab-kernel")); err != nil {
		return err
	}
	if _, err := kernel(ctx, cache, debian.GuestKernel(), dir, "guest-kernel", "linux-headers"); err != nil {
		return err
	}
	root, err := kernel(ctx, cache, debian.FFAKernel(), dir, "ffa-kernel", "ffa-headers")
	if err != nil {
		return err
	}
	return modules(root, filepath.Join(dir, "ffa-modules"))
}

// kernel links to the kernel of a set and to what modules for it are built with, and returns the set's folder.
func kernel(ctx context.Context, cache *debian.Cache, set *debian.Set, dir, image, headers string) (root string, err error) {
	file, err := cache.Image(ctx, set)
	if err != nil {
		return "", err
	}
	if root, err = cache.Install(ctx, set); err != nil {
		return "", err
	}
	arch, err := only(filepath.Join(root, "usr/src/linux-headers-*-arm64"))
	if err != nil {
		return "", err
	}
	common, err := only(filepath.Join(root, "usr/src/linux-headers-*-common"))
	if err != nil {
		return "", err
	}
	return root, errors.Join(
		link(file, filepath.Join(dir, image)),
		link(arch, filepath.Join(dir, headers)),
		link(common, filepath.Join(dir, headers+"-common")),
	)
}

// modules links to the modules for FF-A of a kernel.
func modules(root, dir string) error {
	files, err := debian.FFAModules(root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := link(f, filepath.Join(dir, filepath.Base(f))); err != nil {
			return err
		}
	}
	return nil
}

// A tool is a set of programs and a command that succeeds where they work.
type tool struct {
	set   func() *debian.Set
	check []string // run with a C program as its input
}

var tools = []tool{
	{debian.HostCompiler, []string{"gcc", "-pthread", "-x", "c", "-o", os.DevNull, "-"}},
	{debian.CrossCompiler, []string{"aarch64-linux-gnu-gcc", "-static", "-x", "c", "-o", os.DevNull, "-"}},
	{debian.DeviceTreeCompiler, []string{"dtc", "--version"}},
	{debian.QEMU, []string{"qemu-system-aarch64", "-machine", "virt,help"}},
}

func (t tool) works(ctx context.Context) bool {
	cmd := exec.CommandContext(ctx, t.check[0], t.check[1:]...)
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\n#include <linux/kvm.h>\nint main(void) { return EXIT_SUCCESS; }\n")
	return cmd.Run() == nil
}

// link makes name a link to target, in one step if there was another.
func link(target, name string) error {
	if old, err := os.Readlink(name); err == nil && old == target {
		return nil
	}
	fresh := name + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, name)
}

func only(pattern string) (string, error) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("%d folders match %s, where one was expected", len(found), pattern)
	}
	return found[0], nil
}
