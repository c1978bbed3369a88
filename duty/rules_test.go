package duty

import "testing"

func TestEveryRuleIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules {
		if r.ID == "" || r.Level == "" || r.Section == "" || r.Duty == "" || r.Breach == "" || seen[r.ID] {
			t.Errorf("rule %+v lacks something, or stands twice", r)
		}
		seen[r.ID] = true
	}
}
