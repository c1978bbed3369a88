package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeVMList(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vms.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVMListHasALineForEachSecondary(t *testing.T) {
	path := writeVMList(t, "1048576 1 echo.bin\n\n\t 4096   8 /srv/tee \r\n8192 2 sub/x")
	got, err := ReadVMList(path)
	want := []ManifestSecondary{
		{Kernel: filepath.Join(filepath.Dir(path), "echo.bin"), VCPUs: 1, Memory: 1 << 20},
		{Kernel: "/srv/tee", VCPUs: 8, Memory: 4096},
		{Kernel: filepath.Join(filepath.Dir(path), "sub/x"), VCPUs: 2, Memory: 8192},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, VMs (-want +got):\n%s", err, diff)
	}
}

func TestVMListRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no VM":           {"\n \n", "it has no VM"},
		"too few words":   {"4096 1 a\n4096 b\n", "line 2 has 2 words; write BYTES VCPUS FILE"},
		"too many words":  {"4096 1 a b", "line 1 has 4 words"},
		"half a page":     {"100 1 a", `line 1 gives "100" bytes`},
		"no memory":       {"0 1 a", `"0" bytes`},
		"a size in words": {"1M 1 a", `"1M" bytes`},
		"no vCPU":         {"4096 0 a", `"0" vCPUs`},
		"too many vCPUs":  {"4096 65536 a", `"65536" vCPUs`},
		"an escape":       {"4096 1 a\x1b[2J", `line 1 names a file "a\x1b[2J"`},
	} {
		if _, err := ReadVMList(writeVMList(t, c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if _, err := ReadVMList(filepath.Join(t.TempDir(), "gone.txt")); err == nil || !strings.Contains(err.Error(), "gone.txt") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Whatever a list holds, a VM that it names can be asked for.
func FuzzVMList(f *testing.F) {
	f.Add("1048576 1 echo.bin\n\n4096 2 x")
	f.Add("4096 0 a\n")
	f.Fuzz(func(t *testing.T, text string) {
		vms, err := parseVMList(text)
		if (err == nil) != (len(vms) > 0) {
			t.Fatalf("%d VMs, error %v", len(vms), err)
		}
		for _, v := range vms {
			if v.Kernel == "" || v.VCPUs < 1 || v.VCPUs > maxManifestVCPUs || v.Memory == 0 || v.Memory%pageSize != 0 {
				t.Errorf("VM %+v", v)
			}
		}
	})
}
