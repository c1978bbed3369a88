package hfvmm_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hfvmm/hfvmm"

// rooms says what each package of this module may know. Imports point downward only.
var rooms = []struct {
	path string   // below the module
	ours []string // packages of this module that it may import
	pure bool     // nothing else but the standard library, and of that nothing that is a window to the host
	only string   // the one system that it is built for, or "" for each
}{
	{path: "hypercall", pure: true},
	{path: "hypercall/randomtest"},
	{path: "duty", ours: []string{"hypercall"}, pure: true},
	{path: "ffa/wire", pure: true},
	{path: "ffa", ours: []string{"hypercall", "duty", "ffa/wire"}, pure: true},
	{path: "sdei", ours: []string{"hypercall"}, pure: true},
	{path: "pvsched", ours: []string{"hypercall"}, pure: true},
	{path: "devices"},
	{path: "kvmarm"},
	{path: "vmm/boot"},
	{path: "vmm/unixsocket"},
	{path: "vmm/console", ours: []string{"vmm/unixsocket"}},
	{path: "vmm/hostsched"},
	{path: "vmm/api", ours: []string{"hypercall", "sdei"}},
	{path: "vmm/debian"},
	{path: "vmm/initramfs"},
	{path: "vmm/lab", ours: []string{"kvmarm", "vmm/boot", "vmm/debian", "vmm/initramfs"}},
	{path: "guest/mailbox", only: "linux"},
	{path: "guest/init", ours: []string{"guest/mailbox"}, only: "linux"},
	{path: "guest/hf_test", ours: []string{"guest/mailbox"}, only: "linux"},
	{path: "vmm/scheduler", pure: true},
	{path: "vmm/vmmtest"},
	{path: "vmm", ours: []string{"vmm/scheduler", "hypercall", "duty", "ffa", "ffa/wire", "sdei", "pvsched", "devices", "kvmarm", "vmm/boot", "vmm/console", "vmm/unixsocket", "vmm/api", "vmm/hostsched"}},
}

// windows are the packages of the standard library by which a program sees or changes the host, keeps
// time or reflects on its own machine. A pure package does not import them itself.
var windows = []string{
	"context", "io/fs", "log", "log/slog", "net", "os", "os/exec", "os/signal", "path/filepath", "plugin",
	"runtime", "runtime/debug", "syscall", "time", "unsafe",
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
}

func TestPackagesImportOnlyWhatTheirRoomMayKnow(t *testing.T) {
	packages := map[string]goPackage{}
	for _, system := range []string{"linux", "darwin"} {
		cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Deps,Standard", "./...")
		cmd.Env = append(cmd.Environ(), "GOOS="+system, "GOARCH=arm64", "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				t.Fatalf("go list: %v\n%s", err, exit.Stderr)
			}
			t.Fatal(err)
		}
		clear(packages)
		for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
			var p goPackage
			if err := dec.Decode(&p); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			packages[p.ImportPath] = p
		}
		checkRooms(t, system, packages)
	}
}

func checkRooms(t *testing.T, system string, packages map[string]goPackage) {
	for _, room := range rooms {
		if room.only != "" && room.only != system {
			continue
		}
		p, ok := packages[module+"/"+room.path]
		if !ok {
			t.Errorf("%s: there is no package %s", system, room.path)
			continue
		}
		for _, dep := range p.Deps {
			ours, isOurs := strings.CutPrefix(dep, module+"/")
			switch {
			case isOurs && !slices.Contains(room.ours, ours):
				t.Errorf("%s: %s depends on %s, which that room may not know", system, room.path, ours)
			case !isOurs && room.pure && !packages[dep].Standard:
				t.Errorf("%s: %s is pure but depends on %s", system, room.path, dep)
			}
		}
		if !room.pure {
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains(windows, imp) {
				t.Errorf("%s: %s is pure but imports %s", system, room.path, imp)
			}
		}
	}
}
