package debian

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// libraries is the folder of a set that holds links to its shared libraries, apart from
// those of the C library, which have to come from the machine, like its dynamic linker.
const libraries = "libraries"

// unpacker unpacks packages into a folder.
type unpacker struct {
	set  *Set
	root *os.Root
	libs map[string]string // file name of a shared library → its path below root
	own  []string          // paths of programs that get the set's own C library
}

// unpack unpacks a .deb.
func (u *unpacker) unpack(ctx context.Context, deb string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	owner, _, _ := strings.Cut(filepath.Base(deb), "_")
	err = u.files(tar.NewReader(out), owner)
	if err == nil {
		_, err = io.Copy(io.Discard, out)
	}
	if err != nil {
		out.Close() // ends dpkg-deb
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("dpkg-deb: %w: %s", ended, strings.TrimSpace(complaint.String()))
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
	}
	return nil
}

// files unpacks the files of one package, without owners and special modes.
func (u *unpacker) files(archive *tar.Reader, owner string) error {
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(strings.TrimPrefix(h.Name, "/"))
		if name == "." || !u.set.keeps(name) {
			continue
		}
		if err := u.file(archive, h, name); err != nil {
			return err
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		if owner != "libc6" {
			u.noteLibrary(name)
		}
		if matches(u.set.OwnLibC, name) {
			u.own = append(u.own, name)
		}
	}
}

func (u *unpacker) file(archive *tar.Reader, h *tar.Header, name string) error {
	if h.Typeflag == tar.TypeDir {
		return u.root.MkdirAll(name, 0o755)
	}
	if err := u.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := u.root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		return u.root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return u.root.Link(path.Clean(strings.TrimPrefix(h.Linkname, "/")), name)
	case tar.TypeReg:
		f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644|os.FileMode(h.Mode)&0o111)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, archive)
		return errors.Join(err, f.Close())
	}
	return nil // devices and the like serve no one here
}

// noteLibrary remembers shared libraries in the folders where the dynamic linker looks.
func (u *unpacker) noteLibrary(name string) {
	dir, base := path.Split(name)
	dir = strings.TrimPrefix(path.Clean(dir), "usr/")
	if (dir == "lib" || matches([]string{"lib/*-linux-gnu*"}, dir)) && strings.HasPrefix(base, "lib") && strings.Contains(base, ".so") {
		u.libs[base] = name
	}
}

// finish adds the libraries folder and the scripts that run the set's programs. home is where the
// folder will be when it is done.
func (u *unpacker) finish(home string) error {
	if err := u.ownLibC(home); err != nil {
		return err
	}
	if len(u.set.Programs) == 0 {
		return nil
	}
	for _, d := range []string{libraries, "bin"} {
		if err := u.root.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	for base, name := range u.libs {
		if err := u.root.Symlink(path.Join("..", name), path.Join(libraries, base)); err != nil {
			return err
		}
	}
	for _, pattern := range u.set.Programs {
		made := 0
		for _, dir := range []string{"usr/bin", "usr/sbin"} {
			list, err := os.ReadDir(filepath.Join(u.root.Name(), dir))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			for _, e := range list {
				if !matches([]string{pattern}, e.Name()) {
					continue
				}
				made++
				if err := u.script(home, path.Join(dir, e.Name()), u.set.Options[pattern]); err != nil {
					return err
				}
			}
		}
		if made == 0 {
			return fmt.Errorf("the packages of %s hold no program %s", u.set.Name, pattern)
		}
	}
	return nil
}

// script writes the script that runs a program from its later home. A script that exists is
// left as it is: the first pattern that matches counts.
func (u *unpacker) script(home, program string, options []string) error {
	name := path.Join("bin", path.Base(program))
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "#!/bin/sh\nLD_LIBRARY_PATH=%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\nexport LD_LIBRARY_PATH\nexec %s",
		quote(filepath.Join(home, libraries)), quote(filepath.Join(home, program)))
	for _, o := range options {
		text.WriteString(" " + quote(strings.ReplaceAll(o, "{root}", home)))
	}
	text.WriteString(" \"$@\"\n")
	_, err = f.WriteString(text.String())
	return errors.Join(err, f.Close())
}

// ownLibC puts scripts in the place of the programs that get the set's own C library.
func (u *unpacker) ownLibC(home string) error {
	if len(u.set.OwnLibC) == 0 {
		return nil
	}
	if len(u.own) == 0 {
		return fmt.Errorf("the packages of %s hold no program %s", u.set.Name, u.set.OwnLibC[0])
	}
	linker, err := u.find("usr/lib*/ld-linux*.so.*")
	if err != nil {
		return err
	}
	libc, err := u.find("usr/lib/*-linux-gnu/libc.so.6")
	if err != nil {
		return err
	}
	for _, name := range u.own {
		program := name + ".elf"
		if err := u.root.Rename(name, program); err != nil {
			return err
		}
		f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(f, "#!/bin/sh\nexec %s --library-path %s %s \"$@\"\n", quote(filepath.Join(home, linker)),
			quote(filepath.Join(home, path.Dir(libc))), quote(filepath.Join(home, program)))
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// find returns the one path below the root that matches a pattern.
func (u *unpacker) find(pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(u.root.Name(), pattern))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("the packages of %s hold %d files %s, where one was expected", u.set.Name, len(found), pattern)
	}
	return filepath.Rel(u.root.Name(), found[0])
}

// quote makes one word of a shell command.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
