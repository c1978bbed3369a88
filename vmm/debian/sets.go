package debian

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// kernelFiles are what is of use in the packages of a kernel. A kernel's image is in boot, or since
// Linux 7 beside its modules, which nothing here needs.
var kernelFiles = []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz"}

// LabKernel is the kernel of the lab's host: of trixie's backports, whose KVM has the SMCCC
// filter (Linux ≥ 6.4).
func LabKernel() *Set {
	return &Set{
		Name:     "kernel-lab",
		Suites:   []string{"trixie-backports"},
		Packages: []string{"linux-image-arm64:arm64"},
		Follow:   []string{"linux-image-*", "linux-binary-*"},
		Keep:     kernelFiles,
	}
}

// GuestKernel is the kernel of primary VMs, with what modules for it are built from: of bookworm's backports,
// whose modules the compiler of bookworm builds. Image and headers are of one version.
func GuestKernel() *Set {
	return &Set{
		Name:     "kernel-guest",
		Suites:   []string{"bookworm-backports"},
		Packages: []string{"linux-image-arm64:arm64", "linux-headers-arm64:arm64"},
		Follow:   []string{"linux-image-*", "linux-headers-*", "linux-kbuild-*"},
		Keep:     append([]string{"usr/src", "usr/lib/linux-kbuild-*"}, kernelFiles...),
	}
}

// ffaModules are the modules of Linux that speak FF-A, and those that they need.
var ffaModules = []string{"ffa-core", "ffa-module", "tpm_crb_ffa", "tee", "optee"}

// FFAKernel is the kernel of VMs that speak FF-A: of trixie's backports, the first of Debian's with the driver. With it
// come its own modules for FF-A and what others are built from. The last step of that, modpost, is a program of
// trixie.
func FFAKernel() *Set {
	s := &Set{
		Name:     "kernel-ffa",
		Suites:   []string{"trixie-backports", "trixie"},
		Packages: []string{"linux-image-arm64:arm64", "linux-headers-arm64:arm64", "libc6"},
		Follow:   []string{"linux-image-*", "linux-binary-*", "linux-modules-*", "linux-headers-*", "linux-kbuild-*"},
		Keep: append([]string{"usr/src", "usr/lib/linux-kbuild-*",
			"usr/lib*/ld-linux*", "usr/lib/*-linux-gnu/ld-linux*", "usr/lib/*-linux-gnu/libc.so.6"}, kernelFiles...),
		OwnLibC: []string{"usr/lib/linux-kbuild-*/scripts/mod/modpost.real-*"},
	}
	for _, folder := range []string{"drivers/firmware/arm_ffa", "drivers/char/tpm", "drivers/tee", "drivers/tee/optee"} {
		for _, m := range ffaModules {
			s.Keep = append(s.Keep, "usr/lib/modules/*/kernel/"+folder+"/"+m+".ko*")
		}
	}
	return s
}

// FFAModules returns the modules in the folder of FFAKernel, in an order in which they can be loaded.
func FFAModules(root string) ([]string, error) {
	var files []string
	for _, m := range ffaModules {
		found := ""
		err := filepath.WalkDir(filepath.Join(root, "usr/lib/modules"), func(name string, d fs.DirEntry, err error) error {
			if before, _, ok := strings.Cut(d.Name(), "."); err == nil && ok && before == m {
				found = name
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if found == "" {
			return nil, fmt.Errorf("%s holds no module %s", root, m)
		}
		files = append(files, found)
	}
	return files, nil
}

// tools returns a set of programs of the release that runs on this machine.
func tools(name string, packages, programs []string) *Set {
	return &Set{Name: name, Suites: []string{codename()}, Packages: packages, Programs: programs}
}

// QEMU is the emulator of arm64 machines.
func QEMU() *Set {
	s := tools("qemu", []string{"qemu-system-arm"}, []string{"qemu-system-aarch64"})
	s.Options = map[string][]string{"qemu-system-aarch64": {"-L", "{root}/usr/share/qemu"}}
	return s
}

// DeviceTreeCompiler is dtc.
func DeviceTreeCompiler() *Set {
	return tools("dtc", []string{"device-tree-compiler"}, []string{"dtc"})
}

// CrossCompiler is the C compiler for arm64 with its binutils and static C library.
func CrossCompiler() *Set {
	if hostArch() == "arm64" {
		s := HostCompiler()
		s.Name = "gcc-arm64"
		s.Programs = append([]string{"aarch64-linux-gnu-gcc"}, s.Programs...)
		s.Options["aarch64-linux-gnu-gcc"] = s.Options["gcc"]
		s.Programs = append(s.Programs, "aarch64-linux-gnu-*")
		return s
	}
	return tools("gcc-arm64", []string{"gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"}, []string{"aarch64-linux-gnu-*"})
}

// HostCompiler is the C compiler for programs of this machine, which Go's race detector needs.
func HostCompiler() *Set {
	s := tools("gcc", []string{"gcc", "libc6-dev"}, []string{"gcc", "ar", "as", "ld"})
	s.Options = map[string][]string{"gcc": {"--sysroot={root}", "-B{root}/usr/bin/"}}
	return s
}

// KernelImage returns the kernel in the folder of a set.
func KernelImage(root string) (string, error) {
	for _, pattern := range kernelFiles {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return "", err
		}
		if len(found) == 1 {
			return found[0], nil
		}
	}
	return "", fmt.Errorf("%s holds no kernel image, or more than one: remove that folder and try again", root)
}

// Image installs a set and returns the kernel in it.
func (c *Cache) Image(ctx context.Context, s *Set) (string, error) {
	root, err := c.Install(ctx, s)
	if err != nil {
		return "", err
	}
	return KernelImage(root)
}

// Program installs a set and returns the script that runs one of its programs.
func (c *Cache) Program(ctx context.Context, s *Set, name string) (string, error) {
	root, err := c.Install(ctx, s)
	if err != nil {
		return "", err
	}
	return filepath.Join(root, "bin", name), nil
}
