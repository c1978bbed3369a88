// Command initramfs packs files into an initramfs: initramfs OUT PATH=FILE…, where PATH is the
// absolute path that FILE gets in the archive.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hfvmm/hfvmm/vmm/initramfs"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: initramfs OUT PATH=FILE...")
		os.Exit(2)
	}
	if err := pack(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "initramfs:", err)
		os.Exit(1)
	}
}

// pack writes the archive beside out and renames it, so that out is always whole.
func pack(out string, pairs []string) error {
	var files []initramfs.File
	for _, pair := range pairs {
		guest, host, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("%q is not of the form PATH=FILE", pair)
		}
		files = append(files, initramfs.File{Guest: guest, Host: host})
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".initramfs-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := initramfs.Write(f, files); err != nil {
		f.Close()
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), out)
}
