package lint

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree maps paths to the contents of a small source tree.
type tree map[string]string

// ruleCase is a tree that a rule finds something in, or nothing if want is empty.
type ruleCase struct {
	rule string
	name string
	tree tree
	want []string // a part of each finding, in order
}

// mod is the module path of the trees.
const mod = "example.com/m"

func (c ruleCase) repo(t *testing.T) *Repo {
	files := make(map[string][]byte)
	for name, text := range c.tree {
		files[name] = []byte(text)
	}
	r, err := NewRepo(mod, files, nil)
	require.NoError(t, err)
	r.Known = &Exceptions{
		Panics:  newList(map[string]string{"sgv/a.go:Buf.Release": "misuse"}),
		Globals: newList(map[string]string{"sgv.hook": "bound once"}),
		Unsafe:  newList(map[string]string{"sgv/alloc.go": "mapping"}),
		Imports: newList(map[string]string{"sgv/alloc.go:reflect": "address"}),
		Exits:   newList(map[string]string{"internal/leak/a.go:Main": "test main"}),
		Inits:   newList(map[string]string{"scsi/a.go": "binds"}),
		Skips:   newList(map[string]string{"internal/peers/tool.go:missing": "the helper"}),
	}
	if c.rule == "requires" {
		r.Requires = strings.Fields(c.tree["requires"])
	}
	return r
}

func TestRulesFindWhatTheyForbid(t *testing.T) {
	for _, c := range ruleCases() {
		t.Run(c.rule+"/"+c.name, func(t *testing.T) {
			found := Run(c.repo(t), find(t, c.rule))
			require.Len(t, found, len(c.want), "%v", found)
			for i, f := range found {
				require.Contains(t, f.String(), c.want[i])
				require.Contains(t, f.String(), "("+c.rule+")")
			}
		})
	}
}

// TestEveryRuleHasCases fails for a rule without a tree that breaks it and one that keeps it.
func TestEveryRuleHasCases(t *testing.T) {
	breaks, keeps := make(map[string]bool), make(map[string]bool)
	for _, c := range ruleCases() {
		breaks[c.rule] = breaks[c.rule] || len(c.want) > 0
		keeps[c.rule] = keeps[c.rule] || len(c.want) == 0
	}
	for _, rule := range Rules() {
		require.True(t, breaks[rule.Name], "no case breaks %s", rule.Name)
		require.True(t, keeps[rule.Name], "no case keeps %s", rule.Name)
	}
}

func TestRepoRefusesWhatIsNoGo(t *testing.T) {
	_, err := NewRepo(mod, map[string][]byte{"a.go": []byte("no package clause")}, nil)
	require.Error(t, err)
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		name, pattern string
		want          bool
	}{
		{"scsi", "scsi", true},
		{"scsi/spc", "scsi", false},
		{"scsi/spc", "scsi/*", true},
		{"scsi", "scsi/*", false},
		{"fabric/iscsi/internal/pdu", "fabric/*", false},
		{"fabric/iscsi/internal/pdu", "fabric/...", true},
		{"fabric", "fabric/...", true},
		{"fabrics", "fabric/...", false},
	} {
		require.Equal(t, c.want, matchAny(c.name, []string{c.pattern}), "%s in %s", c.name, c.pattern)
	}
}

func find(t *testing.T, name string) Rule {
	for _, rule := range Rules() {
		if rule.Name == name {
			return rule
		}
	}
	t.Fatalf("there is no rule %q", name)
	return Rule{}
}
