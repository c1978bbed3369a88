package debian

import (
	"errors"
	"testing"
	"testing/fstest"
)

func TestMirrorIsTheOneThatTheMachinesAptUses(t *testing.T) {
	t.Setenv("HFVMM_MIRROR", "")
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"one line":            {map[string]string{"sources.list": "deb http://mirror.example/debian/ bookworm main contrib\n"}, "http://mirror.example/debian"},
		"options":             {map[string]string{"sources.list": "deb [arch=amd64 signed-by=/k] http://mirror.example/debian bookworm main\n"}, "http://mirror.example/debian"},
		"comment":             {map[string]string{"sources.list": "# deb http://no.example/debian bookworm main\ndeb http://mirror.example/debian trixie main # ours\n"}, "http://mirror.example/debian"},
		"not security":        {map[string]string{"sources.list": "deb http://no.example/debian-security bookworm-security main\ndeb http://mirror.example/debian bookworm-updates main\n"}, "http://mirror.example/debian"},
		"not sources":         {map[string]string{"sources.list": "deb-src http://no.example/debian bookworm main\n"}, ""},
		"another component":   {map[string]string{"sources.list": "deb http://no.example/debian bookworm non-free\n"}, ""},
		"another vendor":      {map[string]string{"sources.list.d/a.list": "deb http://no.example/x nodistro main\n"}, ""},
		"list in the folder":  {map[string]string{"sources.list.d/a.list": "deb http://mirror.example/debian sid main\n"}, "http://mirror.example/debian"},
		"not a list":          {map[string]string{"sources.list.d/a.save": "deb http://no.example/debian sid main\n"}, ""},
		"stanza":              {map[string]string{"sources.list.d/d.sources": "Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"}, "http://mirror.example/debian"},
		"second stanza":       {map[string]string{"sources.list.d/d.sources": "Types: deb\nURIs: http://no.example/s\nSuites: bookworm-security\nComponents: main\n\n\nTypes: deb deb-src\nURIs: http://mirror.example/debian http://second.example\nSuites: stable\nComponents: contrib main\n"}, "http://mirror.example/debian"},
		"disabled stanza":     {map[string]string{"sources.list.d/d.sources": "Enabled: no\nTypes: deb\nURIs: http://no.example/debian\nSuites: bookworm\nComponents: main\n"}, ""},
		"stanza without URIs": {map[string]string{"sources.list.d/d.sources": "Types: deb\nSuites: bookworm\nComponents: main\n"}, ""},
		"nothing":             {nil, ""},
	} {
		etc := fstest.MapFS{}
		for file, text := range c.files {
			etc[file] = &fstest.MapFile{Data: []byte(text)}
		}
		got, err := mirror(etc)
		if got != c.want || (c.want == "") != errors.Is(err, errNoMirror) {
			t.Errorf("%s: mirror %q, error %v, want %q", name, got, err, c.want)
		}
	}
}

func TestMirrorOfTheUsersChoiceComesFirst(t *testing.T) {
	t.Setenv("HFVMM_MIRROR", "http://mine.example/debian/")
	etc := fstest.MapFS{"sources.list": {Data: []byte("deb http://other.example/debian bookworm main\n")}}
	if got, err := mirror(etc); got != "http://mine.example/debian" || err != nil {
		t.Errorf("mirror %q, error %v", got, err)
	}
}

func TestReleaseIsThatOfTheMachineIfItIsDebian(t *testing.T) {
	for text, want := range map[string]string{
		"ID=debian\nVERSION_CODENAME=bookworm\n":            "bookworm",
		"ID=\"debian\"\nVERSION_CODENAME='trixie'\n":        "trixie",
		"ID=debian\nVERSION_CODENAME=buster\n":              "bookworm",
		"ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble": "bookworm",
		"": "bookworm",
	} {
		if got := codenameOf(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
