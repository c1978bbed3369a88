package debian

import (
	"slices"
	"testing"
)

func TestDependenciesAreTheFirstAlternatives(t *testing.T) {
	got := dependencies("kmod, initramfs-tools (>= 0.120) | linux-initramfs-tool, libc6:any (>= 2.3),linux-base (= 1) [arm64], ")
	if want := []string{"kmod", "initramfs-tools", "libc6", "linux-base"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := dependencies(""); got != nil {
		t.Errorf("no field has dependencies %q", got)
	}
}

func TestFieldsAreThoseOfTheFirstStanza(t *testing.T) {
	f := fields("Package: a\nDescription: text\n more: text\nDepends: b\n\nPackage: c\n")
	if f["Package"] != "a" || f["Depends"] != "b" || f[" more"] != "" {
		t.Errorf("%q", f)
	}
}

func TestFolderChangesWithWhatIsInIt(t *testing.T) {
	a, b := LabKernel(), LabKernel()
	if a.folder() != b.folder() {
		t.Error("the same set has two folders")
	}
	b.Keep = nil
	if a.folder() == b.folder() {
		t.Error("two sets have one folder")
	}
}

func TestKeptFolderIsKeptWithAllBelow(t *testing.T) {
	s := &Set{Keep: []string{"usr/src", "boot/vmlinuz-*"}}
	for name, want := range map[string]bool{
		"usr/src": true, "usr/src/a/b": true, "usr": false, "usr/srcs": false,
		"boot/vmlinuz-6": true, "boot/config-6": false, "boot": false,
	} {
		if s.keeps(name) != want {
			t.Errorf("%s: kept is %v", name, !want)
		}
	}
}
