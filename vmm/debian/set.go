package debian

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// Set is a group of packages that are unpacked together into one folder.
type Set struct {
	Name     string   // of the folder, for people
	Suites   []string // of the archive, such as "bookworm-backports"; main component only
	Packages []string // "name", for this machine's architecture, or "name:arm64"

	// Follow holds patterns, as of path.Match, of the names of dependencies to be fetched too. nil
	// fetches all dependencies.
	Follow []string

	// Keep holds patterns of paths to be unpacked, with all below them; nil unpacks all.
	Keep []string

	// Programs are made runnable from anywhere: for each program in usr/bin or usr/sbin that matches a
	// pattern, the folder's bin gets a script that runs it with the set's own libraries.
	Programs []string

	// Options are added before a program's arguments, by its pattern in Programs; {root} stands for the set's folder.
	Options map[string][]string

	// OwnLibC holds patterns of the paths of programs that may want a newer C library than this machine has.
	// In place of each is a script that runs it with the set's own, from a package libc6 among Packages.
	OwnLibC []string `json:",omitempty"`
}

// folder returns the name of the set's folder, which changes with everything that may change its
// contents, except for what the archive itself has.
func (s *Set) folder() string {
	text, err := json.Marshal(struct {
		Layout int // of the folder; to be raised when this package unpacks in another way
		Set    *Set
	}{1, s})
	if err != nil {
		panic(err) // strings and slices only
	}
	sum := sha256.Sum256(text)
	return s.Name + "-" + hex.EncodeToString(sum[:6])
}

// matches says whether a name matches one of the patterns.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
	}
	return false
}

// keeps says whether the file at a path, relative to the root, is to be unpacked.
func (s *Set) keeps(name string) bool {
	if s.Keep == nil {
		return true
	}
	for p := name; p != "."; p = path.Dir(p) {
		if matches(s.Keep, p) {
			return true
		}
	}
	return false
}

// split parts "name:arch"; arch is "" if it is not given.
func split(pkg string) (name, arch string) {
	name, arch, _ = strings.Cut(pkg, ":")
	return name, arch
}

// dependencies returns the names in a Depends field: of each clause the first alternative, without
// version and architecture.
func dependencies(field string) []string {
	var names []string
	for clause := range strings.SplitSeq(field, ",") {
		first, _, _ := strings.Cut(clause, "|")
		if f := strings.Fields(first); len(f) > 0 {
			name, _ := split(f[0])
			names = append(names, name)
		}
	}
	return names
}

// fields parses the first stanza of a control file, such as apt-cache show prints.
func fields(stanza string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(stanza) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			break
		}
		if key, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' {
			m[key] = strings.TrimSpace(value)
		}
	}
	return m
}

// selection is a package in one version and architecture, as apt-get takes it.
type selection struct{ name, arch, version string }

func (s selection) String() string { return fmt.Sprintf("%s:%s=%s", s.name, s.arch, s.version) }
