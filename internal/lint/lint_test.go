package lint

import "testing"

// TestRules runs every rule over this module.
func TestRules(t *testing.T) {
	r, err := Load(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Packages) == 0 || len(r.Requires) == 0 {
		t.Fatalf("nothing to check: %d packages, %d requirements", len(r.Packages), len(r.Requires))
	}
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			for _, f := range Run(r, rule) {
				t.Errorf("%v", f)
			}
			if t.Failed() {
				t.Logf("the rule: %s", rule.Doc)
			}
		})
	}
}
