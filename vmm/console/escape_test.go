package console

import "testing"

func TestCtrlAIsTheOnlyKeyThatTheGuestDoesNotGet(t *testing.T) {
	tests := []struct {
		name, keys, guest string
		cmds              []command
	}{
		{"plain text passes", "ls -l\r", "ls -l\r", nil},
		{"control keys pass", "\x03\x04\x1a\x1c\x7f", "\x03\x04\x1a\x1c\x7f", nil},
		{"bytes above ASCII pass", "\xc3\xa9\xff", "\xc3\xa9\xff", nil},
		{"twice sends it once", "\x01\x01", "\x01", nil},
		{"four times sends it twice", "\x01\x01\x01\x01", "\x01\x01", nil},
		{"x quits", "ab\x01x", "ab", []command{quit}},
		{"a sent one does not arm", "\x01\x01x", "\x01x", nil},
		{"h helps and goes on", "a\x01hb", "ab", []command{help}},
		{"an unknown key is dropped", "a\x01qb", "ab", nil},
		{"one alone waits", "a\x01", "a", nil},
		{"help, then quit", "\x01?\x01X", "", []command{help, quit}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e escape
			var guest []byte
			var cmds []command
			for _, b := range []byte(tt.keys) {
				pass, cmd := e.feed(b)
				if pass {
					guest = append(guest, b)
				}
				if cmd != none {
					cmds = append(cmds, cmd)
				}
			}
			if string(guest) != tt.guest {
				t.Errorf("guest got %q, want %q", guest, tt.guest)
			}
			if string(commandBytes(cmds)) != string(commandBytes(tt.cmds)) {
				t.Errorf("commands %v, want %v", cmds, tt.cmds)
			}
		})
	}
}

func commandBytes(cmds []command) (b []byte) {
	for _, c := range cmds {
		b = append(b, byte(c))
	}
	return b
}
