package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func TestHelpIsWhatTheGoldenFileSays(t *testing.T) {
	for _, name := range []string{"hfvmm", "hfvmm run"} {
		args := append(strings.Fields(name)[1:], "--help")
		r := runApp(t, &fakeHost{}, args...)
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("%s --help: exit code %d, stderr %q", name, r.code, r.stderr)
		}
		golden := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".help")
		if *update {
			if err := os.WriteFile(golden, []byte(r.stdout), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), r.stdout); diff != "" {
			t.Errorf("%s --help (-want +got; go test -update rewrites it):\n%s", name, diff)
		}
	}
}

func TestEveryExitCodeStandsInTheHelp(t *testing.T) {
	r := runApp(t, &fakeHost{}, "run", "--help")
	for _, e := range exitCodes {
		if !strings.Contains(r.stdout, e.when) {
			t.Errorf("help lacks exit code %d, %s", e.code, e.when)
		}
	}
}

func TestEveryExitCodeStandsInTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../docs/guide.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exitCodes {
		if !strings.Contains(string(guide), fmt.Sprintf("\n| %d | ", e.code)) {
			t.Errorf("docs/guide.md lacks exit code %d, %s", e.code, e.when)
		}
	}
}

func TestShellsCompleteTheWordsOfAFlag(t *testing.T) {
	r := runApp(t, &fakeHost{}, "__complete", "run", "--host", "")
	if want := "auto\nkvm\nlab\n:4\n"; r.code != 0 || r.stdout != want {
		t.Errorf("exit code %d, stdout %q, want %q", r.code, r.stdout, want)
	}
	if r := runApp(t, &fakeHost{}, "completion", "bash"); r.code != 0 || !strings.Contains(r.stdout, "__start_hfvmm") {
		t.Errorf("hfvmm completion bash: exit code %d, stdout %q", r.code, r.stdout)
	}
}

func TestVersionNamesTheRevisionItWasBuiltFrom(t *testing.T) {
	var b strings.Builder
	printVersion(&b, &debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Version: "v0.1.0"},
		Settings: []debug.BuildSetting{
			{Key: "vcs.revision", Value: "0123abcd"}, {Key: "vcs.modified", Value: "true"},
			{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"},
		},
	})
	if want := "hfvmm v0.1.0\nrevision 0123abcd (modified)\ngo1.26.8 linux/arm64\n"; b.String() != want {
		t.Errorf("version is %q, want %q", b.String(), want)
	}
	if r := runApp(t, &fakeHost{}, "version"); r.code != 0 || !strings.HasPrefix(r.stdout, "hfvmm ") {
		t.Errorf("hfvmm version: exit code %d, stdout %q", r.code, r.stdout)
	}
}
