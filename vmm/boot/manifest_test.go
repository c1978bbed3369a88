package boot

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/u-root/u-root/pkg/dt"
)

// manifest returns a tree with the children in the node /hypervisor.
func manifest(children ...*dt.Node) *dt.Node {
	h := node("hypervisor", strs("compatible", "hafnium,hafnium"))
	h.Children = children
	root := node("")
	root.Children = []*dt.Node{h}
	return root
}

func primary() *dt.Node {
	return node("vm1", str("debug_name", "linux"), str("kernel_filename", "vmlinuz"), str("ramdisk_filename", "/boot/initrd.img"))
}

func secondary(number int, more ...dt.Property) *dt.Node {
	return node(fmt.Sprintf("vm%d", number), append([]dt.Property{
		str("debug_name", fmt.Sprintf("svc%d", number)), str("kernel_filename", "svc.bin"),
		u32("vcpu_count", 2), u32("mem_size", 0x10_0000),
	}, more...)...)
}

func blob(t testing.TB, root *dt.Node) []byte {
	t.Helper()
	tree := dt.FDT{Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16}, RootNode: root}
	var b bytes.Buffer
	if _, err := tree.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// without returns n without a property, or with the one given in its place.
func without(n *dt.Node, name string, instead ...dt.Property) *dt.Node {
	n.RemoveProperty(name)
	n.Properties = append(n.Properties, instead...)
	return n
}

func wantManifest(folder string) *Manifest {
	return &Manifest{
		Primary: ManifestPrimary{Name: "linux", Kernel: filepath.Join(folder, "vmlinuz"), Ramdisk: "/boot/initrd.img"},
		Secondaries: []ManifestSecondary{
			{Name: "svc2", Kernel: filepath.Join(folder, "svc.bin"), VCPUs: 2, Memory: 0x10_0000},
			{Name: "svc3", Kernel: filepath.Join(folder, "svc.bin"), VCPUs: 2, Memory: 0x10_0000},
		},
	}
}

func TestManifestNamesFilesRelativeToItself(t *testing.T) {
	path := write(t, blob(t, manifest(secondary(3), primary(), secondary(2))))
	m, err := ReadManifest(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(wantManifest(filepath.Dir(path)), m); d != "" {
		t.Error(d)
	}
}

func TestManifestNamesThoseOfFFAPartitions(t *testing.T) {
	partition := secondary(2)
	partition.Properties = append(partition.Properties, present("is_ffa_partition"), present("hyp_loaded"), strs("fdt_filename", "svc.dtb"))
	other := secondary(3)
	other.Properties = append(other.Properties, strs("fdt_filename", "svc.dtb"))
	path := write(t, blob(t, manifest(primary(), partition, other)))
	m, err := ReadManifest(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Secondaries[0].Partition, filepath.Join(filepath.Dir(path), "svc.dtb"); got != want {
		t.Errorf("manifest %q of the partition, want %q", got, want)
	}
	if m.Secondaries[1].Partition != "" || len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], "fdt_filename of /hypervisor/vm3") {
		t.Errorf("a VM that is none: %q, warnings %q", m.Secondaries[1].Partition, m.Warnings)
	}
}

const manifestDTS = `/dts-v1/;
/ {
	hypervisor {
		compatible = "hafnium,hafnium";
		vm1 {
			debug_name = "linux";
			kernel_filename = "vmlinuz";
			ramdisk_filename = "/boot/initrd.img";
		};
		vm2 {
			debug_name = "svc2";
			kernel_filename = "svc.bin";
			vcpu_count = <2>;
			mem_size = <0x100000>;
		};
		vm3 {
			debug_name = "svc3";
			kernel_filename = "svc.bin";
			vcpu_count = <2>;
			mem_size = /bits/ 64 <0x100000>;
		};
	};
};
`

func TestManifestSourceIsCompiled(t *testing.T) {
	needDTC(t)
	overlay := strings.Replace(manifestDTS, "/ {", "/plugin/;\n&{/} {", 1)
	for name, source := range map[string]string{"tree": manifestDTS, "overlay": overlay} {
		path := write(t, []byte(source))
		m, err := ReadManifest(path, "")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(wantManifest(filepath.Dir(path)), m); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestRelativeManifestPathMayBeginWithADash(t *testing.T) {
	needDTC(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("-m.dts", []byte(manifestDTS), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadManifest("-m.dts", ""); err != nil {
		t.Error(err)
	}
}

// As a shell's process substitution gives it.
func TestSourceMayComeFromAPipe(t *testing.T) {
	needDTC(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString(manifestDTS); err != nil { // a pipe holds that much
		t.Fatal(err)
	}
	w.Close()
	m, err := ReadManifest(fmt.Sprintf("/dev/fd/%d", r.Fd()), "")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(wantManifest("/dev/fd"), m); d != "" {
		t.Error(d)
	}
}

func TestWhatASourceIncludesLiesBesideIt(t *testing.T) {
	needDTC(t)
	path := write(t, []byte("/dts-v1/;\n/include/ \"vms.dtsi\"\n"))
	vms := filepath.Join(filepath.Dir(path), "vms.dtsi")
	if err := os.WriteFile(vms, []byte(strings.TrimPrefix(manifestDTS, "/dts-v1/;")), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("vms.dtsi", []byte("not this one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadManifest(path, ""); err != nil {
		t.Error(err)
	}
}

func TestMistakeInTheSourceIsShownInOneSentence(t *testing.T) {
	needDTC(t)
	path := write(t, []byte(strings.Replace(manifestDTS, `"vmlinuz";`, `"vmlinuz"`, 1)))
	_, err := ReadManifest(path, "")
	mentions(t, err, "does not compile ("+path+":8.", "syntax error", "mend the source")
}

func TestSourceWithoutCompilerSaysWhatToInstall(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	path := write(t, []byte(manifestDTS))
	_, err := ReadManifest(path, "")
	mentions(t, err, path, "device-tree-compiler", ".dtb")
}

func TestCompilerThatFailsSilentlyIsNamed(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "dtc"), []byte("#!/bin/sh\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder)
	_, err := ReadManifest(write(t, []byte(manifestDTS)), "")
	mentions(t, err, "does not compile", "dtc: exit status 3")
}

func TestCompilerIsAlsoLookedForInTheGivenFolder(t *testing.T) {
	dtc := needDTC(t)
	t.Setenv("PATH", t.TempDir())
	if _, err := ReadManifest(write(t, []byte(manifestDTS)), filepath.Dir(dtc)); err != nil {
		t.Error(err)
	}
}

func TestWhatHasNoEffectIsWarnedOf(t *testing.T) {
	root := manifest(without(primary(), "", u32("vcpu_count", 4)), secondary(2, empty("smc_whitelist_permissive")), node("vm02"))
	root.Children[0].Properties = append(root.Children[0].Properties, empty("ffa_tee"))
	m, err := parseManifest(blob(t, root))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(m.Warnings, "\n")
	for _, want := range []string{"ffa_tee of /hypervisor ", "vcpu_count of /hypervisor/vm1 ", "smc_whitelist_permissive of /hypervisor/vm2 ", "/hypervisor/vm02 "} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %q in\n%s", want, all)
		}
	}
	if len(m.Warnings) != 4 {
		t.Errorf("%d warnings:\n%s", len(m.Warnings), all)
	}
}

func TestMalformedManifestsNameNodeAndProperty(t *testing.T) {
	raw := func(name string, v ...byte) dt.Property { return dt.Property{Name: name, Value: v} }
	for name, c := range map[string]struct {
		root *dt.Node
		says []string
	}{
		"no hypervisor":     {node("", u32("x", 1)), []string{"no node /hypervisor", "add"}},
		"empty tree":        {node(""), []string{"no node /hypervisor"}},
		"other hypervisor":  {withCompatible(manifest(primary()), "xen,xen"), []string{"/hypervisor", `"hafnium,hafnium"`}},
		"no VM":             {manifest(), []string{"no VM", "vm1"}},
		"no primary":        {manifest(secondary(2)), []string{"vm2 but no /hypervisor/vm1"}},
		"gap":               {manifest(primary(), secondary(2), secondary(4)), []string{"vm4 but no /hypervisor/vm3"}},
		"twice":             {manifest(primary(), primary()), []string{"vm1 twice"}},
		"no name":           {manifest(without(primary(), "debug_name")), []string{"/hypervisor/vm1 has no debug_name", "add"}},
		"no kernel":         {manifest(primary(), without(secondary(2), "kernel_filename")), []string{"/hypervisor/vm2 has no kernel_filename"}},
		"no memory":         {manifest(primary(), without(secondary(2), "mem_size")), []string{"/hypervisor/vm2 has no mem_size"}},
		"no vCPUs":          {manifest(primary(), without(secondary(2), "vcpu_count")), []string{"/hypervisor/vm2 has no vcpu_count"}},
		"number as name":    {manifest(without(primary(), "debug_name", u32("debug_name", 7))), []string{"debug_name of /hypervisor/vm1", "not a string"}},
		"empty name":        {manifest(without(primary(), "debug_name", str("debug_name", ""))), []string{"debug_name of /hypervisor/vm1", "not a string"}},
		"two names":         {manifest(without(primary(), "debug_name", strs("debug_name", "a", "b"))), []string{"debug_name of /hypervisor/vm1", "not a string"}},
		"escape in ramdisk": {manifest(without(primary(), "ramdisk_filename", str("ramdisk_filename", "a\x1Bb"))), []string{"ramdisk_filename of /hypervisor/vm1"}},
		"zero vCPUs":        {manifest(primary(), without(secondary(2), "vcpu_count", u32("vcpu_count", 0))), []string{"vcpu_count of /hypervisor/vm2 is 0", "give it 1 to"}},
		"too many vCPUs":    {manifest(primary(), without(secondary(2), "vcpu_count", u32("vcpu_count", 65536))), []string{"vcpu_count of /hypervisor/vm2 is 65536"}},
		"string as number":  {manifest(primary(), without(secondary(2), "vcpu_count", str("vcpu_count", "two?"))), []string{"vcpu_count of /hypervisor/vm2 is not a number"}},
		"short number":      {manifest(primary(), without(secondary(2), "mem_size", raw("mem_size", 1, 2))), []string{"mem_size of /hypervisor/vm2 is not a number"}},
		"zero memory":       {manifest(primary(), without(secondary(2), "mem_size", u32("mem_size", 0))), []string{"mem_size of /hypervisor/vm2 is 0x0", "multiple of 0x1000"}},
		"half a page":       {manifest(primary(), without(secondary(2), "mem_size", u32("mem_size", 0x10_0800))), []string{"mem_size of /hypervisor/vm2 is 0x100800"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, blob(t, c.root))
			_, err := ReadManifest(path, "")
			mentions(t, err, append(c.says, path)...)
		})
	}
}

// withCompatible changes what /hypervisor says that it is.
func withCompatible(root *dt.Node, value string) *dt.Node {
	root.Children[0].Update(str("compatible", value))
	return root
}

func TestFilesThatAreNoDeviceTreeAreNotCompiled(t *testing.T) {
	path := write(t, []byte("vm1: linux\n"))
	_, err := ReadManifest(path, "")
	mentions(t, err, path, "no device tree", "/dts-v1/")
}

func TestDamagedBlobsAreRefused(t *testing.T) {
	whole := blob(t, manifest(primary(), secondary(2)))
	for n := 4; n < len(whole); n += 7 {
		_, err := ReadManifest(write(t, whole[:n]), "")
		mentions(t, err, "damaged device tree blob", "again")
	}
}

func FuzzManifest(f *testing.F) {
	whole := blob(f, manifest(primary(), secondary(2), secondary(3)))
	f.Add(whole)
	f.Add(whole[:100])
	f.Add(blob(f, node("")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxManifest {
			return
		}
		m, err := parseManifest(b)
		if err != nil {
			return
		}
		checkSecondaries(t, m)
	})
}

// Whatever a device tree source holds, reading it ends with a machine that can be or with a reason why not.
func FuzzManifestSource(f *testing.F) {
	dtc, err := exec.LookPath("dtc")
	if err != nil {
		f.Skip("dtc, which compiles device tree sources, is not here: make tools fetches it")
	}
	f.Add(`/dts-v1/; / { hypervisor { compatible = "hafnium,hafnium"; vm1 { debug_name = "a"; kernel_filename = "k"; };
		vm2 { debug_name = "b"; kernel_filename = "b.bin"; vcpu_count = <2>; mem_size = <0x100000>; }; }; };`)
	f.Add(`/dts-v1/; /plugin/; &{/} { hypervisor { vm1 { debug_name = "a"; kernel_filename = "k"; }; }; };`)
	f.Add(`/dts-v1/; / { hypervisor { vm2 { mem_size = /bits/ 64 <0x1>; }; }; };`)
	f.Add(`/dts-v1/; / { hypervisor = <1>; };`)
	f.Fuzz(func(t *testing.T, source string) {
		if strings.Contains(source, "/inc") || len(source) > 4096 { // dtc would read other files
			return
		}
		m, err := ReadManifest(write(t, []byte(source)), filepath.Dir(dtc))
		if err != nil {
			if text := err.Error(); strings.TrimSpace(text) == "" || strings.ContainsAny(text, "\n\x00") {
				t.Errorf("error %q", text)
			}
			return
		}
		checkSecondaries(t, m)
	})
}

func checkSecondaries(t *testing.T, m *Manifest) {
	t.Helper()
	for _, s := range m.Secondaries {
		if s.VCPUs < 1 || s.Memory == 0 || s.Memory%pageSize != 0 || s.Name == "" || s.Kernel == "" {
			t.Errorf("impossible secondary %+v", s)
		}
	}
}
