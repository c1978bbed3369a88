package debian

import (
	"context"
	"fmt"
	"path/filepath"
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
