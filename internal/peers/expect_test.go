package peers

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// excuse says that a test of the suite is known not to pass, and why.
type excuse struct {
	verdict verdict
	reason  string
}

// excuses maps names of tests to what is expected of them; the others are expected to pass.
type excuses map[string]excuse

// reasons are all that a test may be skipped for: what the target does not offer yet.
var reasons = []string{
	"persistent reservations", "RESERVE and RELEASE", "copy offload", "sanitize", "ALUA",
	"atomic writes", "ORWRITE", "pre-fetch", "defect lists", "CHAP",
}

// toolError is the reason of a test that no target can pass.
const toolError = "error of the tool: "

var excuseLine = regexp.MustCompile(`^(skip|part|fail)\s+(\S+)\s+(\S.*)$`)

// readExcuses reads lines of a verdict, the name of a test and the reason; # begins a comment.
func readExcuses(text string) (excuses, error) {
	list := make(excuses)
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		m := excuseLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("line %d: not VERDICT TEST REASON: %s", i+1, line)
		}
		if _, ok := list[m[2]]; ok {
			return nil, fmt.Errorf("line %d: %s stands twice", i+1, m[2])
		}
		x := excuse{verdict: skipped, reason: m[3]}
		known := slices.Contains(reasons, x.reason)
		switch m[1] {
		case "part":
			x.verdict = partial
		case "fail":
			x.verdict = failed
			known = strings.HasPrefix(x.reason, toolError)
		}
		if !known {
			return nil, fmt.Errorf("line %d: no reason to %s: %s", i+1, m[1], x.reason)
		}
		list[m[2]] = x
	}
	return list, nil
}

// check returns what is wrong with the verdict on a test, or "".
func (list excuses) check(name string, got verdict, why string) string {
	x, excused := list[name]
	switch {
	case excused && got == x.verdict:
		return ""
	case excused && got == passed && x.verdict == failed:
		return "" // the tool's error is mended, or luck: nothing that this module did
	case excused && got == passed:
		return "passes: take it off the list"
	case excused:
		return fmt.Sprintf("%v, though %v is expected (%s): %s", got, x.verdict, x.reason, why)
	case got != passed:
		return fmt.Sprintf("%v: %s", got, why)
	}
	return ""
}

func TestReadExcuses(t *testing.T) {
	list, err := readExcuses("# comment\n\nskip  A.B.C   ORWRITE\npart A.B.E ALUA\nfail A.B.D error of the tool: asserts nonsense\n")
	require.NoError(t, err)
	require.Equal(t, excuses{
		"A.B.C": {skipped, "ORWRITE"},
		"A.B.E": {partial, "ALUA"},
		"A.B.D": {failed, "error of the tool: asserts nonsense"},
	}, list)
	for text, want := range map[string]string{
		"skip A.B.C":                             "not VERDICT",
		"pass A.B.C ORWRITE":                     "not VERDICT",
		"skip A.B.C too hard":                    "no reason to skip",
		"fail A.B.C ORWRITE":                     "no reason to fail",
		"skip A.B.C ORWRITE\nskip A.B.C ORWRITE": "stands twice",
	} {
		_, err := readExcuses(text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestExcusesCheck(t *testing.T) {
	list := excuses{"s": {skipped, "ORWRITE"}, "f": {failed, toolError + "x"}}
	for _, c := range []struct {
		name string
		got  verdict
		want string
	}{
		{"p", passed, ""},
		{"p", failed, "FAIL: why"},
		{"p", skipped, "SKIP: why"},
		{"p", partial, "PART: why"},
		{"p", hung, "HANG: why"},
		{"p", broken, "ERROR: why"},
		{"s", skipped, ""},
		{"s", passed, "take it off the list"},
		{"s", partial, "SKIP is expected"},
		{"s", failed, "SKIP is expected (ORWRITE)"},
		{"f", failed, ""},
		{"f", passed, ""},
		{"f", skipped, "FAIL is expected"},
		{"f", hung, "FAIL is expected"},
	} {
		got := list.check(c.name, c.got, "why")
		if c.want == "" {
			require.Empty(t, got, c)
		} else {
			require.Contains(t, got, c.want, c)
		}
	}
}

// TestExcusesOfThisModule checks the list that the conformance test uses.
// excused are how many tests the list of this module has, by verdict; the numbers only go down.
var excused = map[verdict]int{skipped: 66, partial: 4, failed: 2}

// TestExcusesOfThisModule keeps the list from growing.
func TestExcusesOfThisModule(t *testing.T) {
	text, err := os.ReadFile("testdata/libiscsi.txt")
	require.NoError(t, err)
	list, err := readExcuses(string(text))
	require.NoError(t, err)
	count := make(map[verdict]int)
	for _, x := range list {
		count[x.verdict]++
	}
	require.Equal(t, excused, count)
}
