package debian

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// keyring holds the keys of Debian's archive.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// apt runs apt's programs with a state of their own.
type apt struct {
	dir  string   // of lists, sources and state; kept, so that lists are fetched only once
	arch string   // of this machine, in Debian's words
	lock *os.File // of the cache. The programs inherit it and so hold it even when this process is killed
}

// hostArch returns this machine's architecture in Debian's words, which are Go's with few exceptions.
func hostArch() string {
	switch runtime.GOARCH {
	case "386":
		return "i386"
	case "arm":
		return "armhf"
	case "ppc64le":
		return "ppc64el"
	}
	return runtime.GOARCH
}

// Ready says what this machine lacks for fetching packages, if anything. It does not ask the mirror.
func Ready() error {
	_, err := archive()
	return err
}

// archive returns the address of Debian's archive if packages can be fetched from it here.
func archive() (address string, err error) {
	for _, program := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s, which fetches Debian's packages, is not on this machine", program)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return "", fmt.Errorf("%s, which holds the keys of Debian's archive, is missing: install the package debian-archive-keyring", keyring)
	}
	return mirror(os.DirFS("/etc/apt"))
}

// newAPT lays out the state of an apt that knows the suites. lock is that of the cache.
func newAPT(dir string, suites []string, lock *os.File) (*apt, error) {
	address, err := archive()
	if err != nil {
		return nil, err
	}
	a := &apt{dir: dir, arch: hostArch(), lock: lock}
	for _, d := range []string{"lists/partial", "cache/archives/partial", "sources.d"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	var sources strings.Builder
	for _, s := range suites {
		fmt.Fprintf(&sources, "deb [signed-by=%s] %s %s main\n", keyring, address, s)
	}
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(sources.String()), 0o644); err != nil {
		return nil, err
	}
	// All suites are equal, backports too: of a package that several have, the newest version is taken.
	if err := os.WriteFile(filepath.Join(dir, "preferences"), []byte("Package: *\nPin: release c=main\nPin-Priority: 500\n"), 0o644); err != nil {
		return nil, err
	}
	// Nothing is installed, as far as this apt knows.
	return a, os.WriteFile(filepath.Join(dir, "status"), nil, 0o644)
}

// run runs one of apt's programs in the folder where and returns its output.
func (a *apt) run(ctx context.Context, where, program string, args ...string) (string, error) {
	options := []string{
		"Dir::State=" + a.dir,
		"Dir::State::Lists=" + filepath.Join(a.dir, "lists"),
		"Dir::State::status=" + filepath.Join(a.dir, "status"),
		"Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"Dir::Etc::SourceList=" + filepath.Join(a.dir, "sources.list"),
		"Dir::Etc::SourceParts=" + filepath.Join(a.dir, "sources.d"),
		"Dir::Etc::Preferences=" + filepath.Join(a.dir, "preferences"),
		"Dir::Etc::PreferencesParts=" + filepath.Join(a.dir, "sources.d"),
		"APT::Architecture=" + a.arch,
		"APT::Architectures::=" + a.arch,
		"APT::Sandbox::User=root",
		"APT::Install-Recommends=false",
		"APT::Default-Release=",
		"Acquire::Languages=none",
		"Acquire::Retries=3",
		"Debug::NoLocking=true",
	}
	if a.arch != "arm64" {
		options = append(options, "APT::Architectures::=arm64")
	}
	var all []string
	for _, o := range options {
		all = append(all, "-o", o)
	}
	cmd := exec.CommandContext(ctx, program, append(all, args...)...)
	cmd.Dir = where
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.WaitDelay = 5 * time.Second // for helpers of apt that outlive it when ctx ends
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.ExtraFiles = []*os.File{a.lock}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%s %s: %w: %s", program, args[0], err, firstComplaint(stderr.String()))
	}
	return stdout.String(), nil
}

// firstComplaint picks the line that matters out of apt's.
func firstComplaint(stderr string) string {
	for line := range strings.Lines(stderr) {
		if strings.HasPrefix(line, "E: ") {
			return strings.TrimSpace(line)
		}
	}
	return strings.TrimSpace(stderr)
}

// resolve returns the packages of a set in the versions that the archive has now.
func (a *apt) resolve(ctx context.Context, s *Set) ([]selection, error) {
	if s.Follow == nil {
		return a.closure(ctx, s)
	}
	return a.follow(ctx, s)
}

// closure lets apt find all dependencies.
func (a *apt) closure(ctx context.Context, s *Set) ([]selection, error) {
	args := append([]string{"install", "-qq", "--yes", "--print-uris"}, s.Packages...)
	out, err := a.run(ctx, a.dir, "apt-get", args...)
	if err != nil {
		return nil, err
	}
	var found []selection
	for line := range strings.Lines(out) {
		// 'address' name_version_arch.deb size hash, with the version's colon as %3a
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		parts := strings.Split(strings.TrimSuffix(f[1], ".deb"), "_")
		if len(parts) != 3 {
			return nil, fmt.Errorf("apt-get names a file %q", f[1])
		}
		version, err := url.PathUnescape(parts[1])
		if err != nil {
			return nil, fmt.Errorf("apt-get names a file %q: %w", f[1], err)
		}
		found = append(found, selection{parts[0], parts[2], version})
	}
	return found, nil
}

// follow finds the dependencies whose names match the set's patterns. Those that serve every
// architecture alike are taken for this machine, the others for that of what depends on them.
func (a *apt) follow(ctx context.Context, s *Set) ([]selection, error) {
	var found []selection
	seen := map[string]bool{}
	queue := slices.Clone(s.Packages)
	for len(queue) > 0 {
		name, arch := split(queue[0])
		queue = queue[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		if arch == "" {
			arch = a.arch
		}
		f, err := a.show(ctx, name, a.arch)
		if err != nil || (f["Multi-Arch"] != "foreign" && f["Architecture"] != "all" && f["Architecture"] != arch) {
			if f, err = a.show(ctx, name, arch); err != nil {
				return nil, err
			}
		}
		found = append(found, selection{name, f["Architecture"], f["Version"]})
		for _, d := range dependencies(f["Depends"]) {
			if matches(s.Follow, d) {
				queue = append(queue, d+":"+arch)
			}
		}
	}
	return found, nil
}

func (a *apt) show(ctx context.Context, name, arch string) (map[string]string, error) {
	out, err := a.run(ctx, a.dir, "apt-cache", "show", "--no-all-versions", name+":"+arch)
	if err != nil {
		return nil, err
	}
	return fields(out), nil
}

// download fetches packages into a folder and returns the files there.
func (a *apt) download(ctx context.Context, where string, packages []selection) ([]string, error) {
	args := []string{"download", "-qq"}
	for _, p := range packages {
		args = append(args, p.String())
	}
	if _, err := a.run(ctx, where, "apt-get", args...); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(where, "*.deb"))
	if err != nil {
		return nil, err
	}
	if len(files) != len(packages) {
		return nil, fmt.Errorf("apt-get fetched %d of %d packages: %w", len(files), len(packages), fs.ErrNotExist)
	}
	return files, nil
}
