package initramfs

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"
)

func TestArchiveHoldsFoldersBeforeTheirFiles(t *testing.T) {
	host := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(host, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := Write(&archive, []File{
		{Guest: "/lib/modules/a.ko", Data: []byte("module")},
		{Guest: "/init", Host: host},
	}); err != nil {
		t.Fatal(err)
	}
	reader := cpio.EOFReader{RecordReader: cpio.Newc.Reader(bytes.NewReader(archive.Bytes()))}
	var got []string
	for {
		r, err := reader.ReadRecord()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.Name)
		if r.Name == "init" && r.Mode != cpio.S_IFREG|0o755 {
			t.Errorf("init has mode %#o", r.Mode)
		}
	}
	if want := "lib lib/modules init lib/modules/a.ko"; strings.Join(got, " ") != want {
		t.Errorf("archive holds %v, want %s", got, want)
	}
}

func TestArchiveIsTheSameWhateverTheOrderOfFiles(t *testing.T) {
	a, b := File{Guest: "/a", Data: []byte("1")}, File{Guest: "/b/c", Data: []byte("2")}
	var first, second bytes.Buffer
	if err := Write(&first, []File{a, b}); err != nil {
		t.Fatal(err)
	}
	if err := Write(&second, []File{b, a}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two archives of the same files differ")
	}
}

func TestArchiveRefusesWhatLinuxCouldNotUnpack(t *testing.T) {
	for name, files := range map[string][]File{
		"relative path":   {{Guest: "init"}},
		"unclean path":    {{Guest: "/a/../init"}},
		"root":            {{Guest: "/"}},
		"twice":           {{Guest: "/init"}, {Guest: "/init"}},
		"file and folder": {{Guest: "/a"}, {Guest: "/a/b"}},
		"missing file":    {{Guest: "/init", Host: "/nonexistent"}},
		"host folder":     {{Guest: "/init", Host: "/"}},
	} {
		if err := Write(io.Discard, files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
