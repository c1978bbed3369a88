package debian

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// release matches the suites of Debian's main archive, not those of its security archive.
var release = regexp.MustCompile(`^(bullseye|bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)(-updates|-backports)?/?$`)

// errNoMirror tells a user how to go on where the machine's apt does not know Debian.
var errNoMirror = errors.New("this machine's apt knows no mirror of Debian: set HFVMM_MIRROR to the address of one")

// mirror returns the address of Debian's archive: $HFVMM_MIRROR, or what apt's configuration
// in the folder etc (/etc/apt) says.
func mirror(etc fs.FS) (string, error) {
	if m := os.Getenv("HFVMM_MIRROR"); m != "" {
		return strings.TrimRight(m, "/"), nil
	}
	files, err := fs.Glob(etc, "sources.list.d/*")
	if err != nil {
		return "", err
	}
	for _, name := range append([]string{"sources.list"}, files...) {
		text, err := fs.ReadFile(etc, name)
		if err != nil {
			continue // absent, or not ours to read
		}
		var found string
		switch path.Ext(name) {
		case ".list":
			found = oneLine(string(text))
		case ".sources":
			found = deb822(string(text))
		}
		if found != "" {
			return strings.TrimRight(found, "/"), nil
		}
	}
	return "", errNoMirror
}

// oneLine finds the archive in the one-line format of sources.list(5):
// deb [options] address suite component...
func oneLine(text string) string {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
			if _, rest, ok = strings.Cut(rest, "]"); !ok {
				continue
			}
		}
		f := strings.Fields(rest)
		if len(f) >= 3 && release.MatchString(f[1]) && slices.Contains(f[2:], "main") {
			return f[0]
		}
	}
	return ""
}

// deb822 finds the archive in the format of stanzas of sources.list(5).
func deb822(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	for stanza := range strings.SplitSeq(strings.Join(lines, ""), "\n\n") {
		f := fields(strings.TrimLeft(stanza, "\n"))
		addresses := strings.Fields(f["URIs"])
		if len(addresses) == 0 || f["Enabled"] == "no" ||
			!slices.Contains(strings.Fields(f["Types"]), "deb") || !slices.Contains(strings.Fields(f["Components"]), "main") {
			continue
		}
		if slices.ContainsFunc(strings.Fields(f["Suites"]), release.MatchString) {
			return addresses[0]
		}
	}
	return ""
}

// codename returns the release of Debian whose programs run on this machine: its own, or
// bookworm, whose C library is old enough for others.
func codename() string {
	text, err := os.ReadFile(filepath.FromSlash("/etc/os-release"))
	if err != nil {
		return "bookworm"
	}
	return codenameOf(string(text))
}

// supported are the releases whose package names this package knows.
var supported = []string{"bookworm", "trixie"}

func codenameOf(osRelease string) string {
	m := map[string]string{}
	for line := range strings.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		m[key] = strings.Trim(value, `"'`)
	}
	if m["ID"] == "debian" && slices.Contains(supported, m["VERSION_CODENAME"]) {
		return m["VERSION_CODENAME"]
	}
	return "bookworm"
}
