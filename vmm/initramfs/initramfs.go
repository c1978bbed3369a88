// Package initramfs packs files into an uncompressed newc cpio archive that Linux boots as its
// initial root file system. It knows paths and bytes, nothing of what they are for.
//
// An archive depends on nothing but the names, modes and contents that it is given: no time, owner or inode
// number of the machine that packs it gets in.
package initramfs

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// File is a file of the archive: a copy of the file Host, or Data if Host is "".
type File struct {
	Guest string // absolute path in the archive; its folders are made
	Host  string // path on this machine; links are followed
	Data  []byte
	Mode  uint32 // permission bits; 0 takes those of Host, or 0644
}

// Write writes an archive of files to w, sorted by path. A path that occurs twice, is not
// absolute or is used both as a file and as a folder is an error, and so is a host file that is
// not a regular file.
func Write(w io.Writer, files []File) error {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Guest, b.Guest) })
	folders, names := map[string]bool{"/": true}, map[string]bool{}
	for _, f := range files {
		if !path.IsAbs(f.Guest) || path.Clean(f.Guest) != f.Guest || f.Guest == "/" {
			return fmt.Errorf("%q is not a clean absolute path in an initramfs", f.Guest)
		}
		if names[f.Guest] {
			return fmt.Errorf("%s is twice in the initramfs", f.Guest)
		}
		names[f.Guest] = true
		for d := path.Dir(f.Guest); !folders[d]; d = path.Dir(d) {
			folders[d] = true
		}
	}
	out := bufio.NewWriterSize(w, 1<<20)
	archive := &writer{cpio: cpio.Newc.Writer(out)}
	for _, d := range slices.Sorted(maps.Keys(folders)) {
		if names[d] {
			return fmt.Errorf("%s is both a file and a folder of the initramfs", d)
		}
		if d != "/" {
			archive.add(cpio.Directory(d[1:], 0o755))
		}
	}
	for _, f := range files {
		archive.addFile(f)
	}
	archive.add(cpio.TrailerRecord)
	if archive.err != nil {
		return archive.err
	}
	return out.Flush()
}

// writer numbers the records and remembers the first error.
type writer struct {
	cpio cpio.RecordWriter
	ino  uint64
	err  error
}

func (w *writer) add(r cpio.Record) {
	if w.err != nil {
		return
	}
	w.ino++
	r.Ino, r.NLink = w.ino, 1
	w.err = w.cpio.WriteRecord(r)
}

func (w *writer) addFile(f File) {
	if w.err != nil {
		return
	}
	if f.Host == "" {
		mode := f.Mode
		if mode == 0 {
			mode = 0o644
		}
		w.add(cpio.StaticFile(f.Guest[1:], string(f.Data), uint64(mode)))
		return
	}
	host, err := os.Open(f.Host)
	if err != nil {
		w.err = err
		return
	}
	defer host.Close()
	info, err := host.Stat()
	if err != nil {
		w.err = err
		return
	}
	if !info.Mode().IsRegular() {
		w.err = fmt.Errorf("%s is not a regular file", f.Host)
		return
	}
	mode := f.Mode
	if mode == 0 {
		mode = uint32(info.Mode().Perm())
	}
	w.add(cpio.Record{
		ReaderAt: io.NewSectionReader(host, 0, info.Size()),
		Info:     cpio.Info{Name: f.Guest[1:], Mode: cpio.S_IFREG | uint64(mode), FileSize: uint64(info.Size())},
	})
}
