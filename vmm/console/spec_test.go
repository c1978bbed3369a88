package console

import (
	"strings"
	"testing"
)

func TestASpecReadsBackAsItWasWritten(t *testing.T) {
	for _, text := range []string{"stdio", "null", "file=/tmp/a=b", "unix=run/s.sock"} {
		var s Spec
		if err := s.Set(text); err != nil {
			t.Errorf("Set(%q): %v", text, err)
		}
		if s.String() != text {
			t.Errorf("%q reads back as %q", text, s.String())
		}
	}
}

func TestASpecThatIsNoneNamesItselfAndTheRemedy(t *testing.T) {
	for text, remedy := range map[string]string{
		"":         "give stdio",
		"tty":      "give stdio",
		"stdio=x":  "give stdio",
		"null=x":   "give stdio",
		"file":     "write file=PATH",
		"file=":    "write file=PATH",
		"unix":     "write unix=PATH",
		"Unix=/a":  "give stdio",
		"pty=/dev": "give stdio",
	} {
		var s Spec
		err := s.Set(text)
		if err == nil {
			t.Errorf("Set(%q) is accepted", text)
			continue
		}
		if !strings.Contains(err.Error(), `"`+text+`"`) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("Set(%q) says %q, want the text and %q", text, err, remedy)
		}
	}
}
