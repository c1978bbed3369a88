package lab

import (
	"regexp"
	"strings"
)

// complaint is how Linux begins to say that something is wrong with it.
var complaint = regexp.MustCompile(`\[ cut here \]|^WARNING:|^BUG:|^Internal error|^Unable to handle kernel|^rcu: INFO:`)

// maxComplaint bounds how many lines of the kernel's log are passed on.
const maxComplaint = 60

// complaints returns the lines of the lab's kernel log from its first complaint on. records are those of
// /dev/kmsg: "level,number,time,flags;text", continued by lines that begin with a space.
func complaints(records []string) []string {
	var lines []string
	for _, r := range records {
		_, text, _ := strings.Cut(r, ";")
		text, _, _ = strings.Cut(text, "\n")
		if len(lines) == 0 && !complaint.MatchString(text) {
			continue
		}
		if lines = append(lines, text); len(lines) == maxComplaint {
			break
		}
	}
	return lines
}
