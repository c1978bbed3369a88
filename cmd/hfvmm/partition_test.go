package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/dt"

	"github.com/hfvmm/hfvmm/vmm"
)

// partitionBlob is a small manifest of a partition with two vCPUs, and more if that is given.
func partitionBlob(t *testing.T, more ...dt.Property) []byte {
	t.Helper()
	cells := func(name string, cells ...uint32) dt.Property {
		p := dt.Property{Name: name}
		for _, c := range cells {
			p.Value = binary.BigEndian.AppendUint32(p.Value, c)
		}
		return p
	}
	root := &dt.Node{Properties: append([]dt.Property{
		{Name: "compatible", Value: []byte("arm,ffa-manifest-1.0\x00")}, cells("ffa-version", 0x10001), cells("uuid", 1, 2, 3, 4),
		cells("messaging-method", 3), cells("execution-ctx-count", 2), cells("exception-level", 2), cells("execution-state", 0),
	}, more...)}
	var b bytes.Buffer
	if _, err := (&dt.FDT{Header: dt.Header{Magic: dt.Magic, Version: 17, LastCompVersion: 16}, RootNode: root}).Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestPartitionHasTheVCPUsOfItsManifest(t *testing.T) {
	blob := partitionBlob(t)
	pkg := make([]byte, 0x1000, 0x3000)
	copy(pkg, "SPKG")
	for i, n := range []int{1, 0x1000, len(blob), 0x2000, 4} {
		binary.LittleEndian.PutUint32(pkg[4+4*i:], uint32(n))
	}
	pkg = append(pkg, blob...)
	pkg = append(pkg[:0x2000:0x2000], "code"...)
	copy(pkg[0x1000:], blob)

	image, manifest, packed := writeFile(t, "p.bin", []byte("code")), writeFile(t, "p.dtb", blob), writeFile(t, "p.pkg", pkg)
	for _, s := range []vmm.Secondary{{Image: image, ManifestFile: manifest, VCPUs: 1}, {Image: packed, VCPUs: 1, Memory: 1 << 20}} {
		cfg := vmm.Config{Secondaries: []vmm.Secondary{s}}
		if err := readPartitions(&cfg); err != nil {
			t.Fatal(err)
		}
		if got := cfg.Secondaries[0]; got.VCPUs != 2 || got.Manifest == nil || !got.Manifest.Secure {
			t.Errorf("%+v", got)
		}
	}
	cfg := vmm.Config{Secondaries: []vmm.Secondary{{Image: packed, ManifestFile: manifest, Memory: 1 << 20}}}
	if err := readPartitions(&cfg); err == nil || !strings.Contains(err.Error(), "leave the other one out") {
		t.Errorf("two manifests: %v", err)
	}
	cfg = vmm.Config{Secondaries: []vmm.Secondary{{Image: image, VCPUs: 1}}}
	if err := readPartitions(&cfg); err != nil || cfg.Secondaries[0].Manifest != nil {
		t.Errorf("no manifest: %v", err)
	}
}

func TestPackageLargerThanItsMemoryIsNotRead(t *testing.T) {
	image := writeFile(t, "p.pkg", []byte("SPKG"))
	if err := os.Truncate(image, 1<<30); err != nil {
		t.Fatal(err)
	}
	cfg := vmm.Config{Secondaries: []vmm.Secondary{{Name: "p", Image: image, VCPUs: 1, Memory: 1 << 20}}}
	err := readPartitions(&cfg)
	if err == nil || codeOf(err) != exitUsage || !strings.Contains(err.Error(), "larger than the memory of its VM (1 MiB); give the VM more memory") {
		t.Errorf("%v", err)
	}
}

func TestManifestThatIsASourceIsPassedOnAsABlob(t *testing.T) {
	blob := partitionBlob(t)
	source := writeFile(t, "p.dts", []byte("/dts-v1/;"))
	cfg := vmm.Config{Secondaries: []vmm.Secondary{{Image: "p", ManifestFile: writeFile(t, "p.dtb", blob)}}}
	cfg.Secondaries[0].Image = writeFile(t, "p.bin", []byte("code"))
	if err := readPartitions(&cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Secondaries[0].ManifestFile = source
	remove, err := packManifests(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	made := cfg.Secondaries[0].ManifestFile
	if b, err := os.ReadFile(made); err != nil || !bytes.Equal(b, blob) {
		t.Errorf("passed on %q: %v", made, err)
	}
	if remove(); made == source {
		t.Error("the source is passed on")
	}
	if _, err := os.Stat(made); err == nil {
		t.Error("the blob is left behind")
	}
}
