package fabric_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/fabric"
)

func ExampleMatch() {
	name := "iqn.2026-11.com.example:host-7"
	for _, pattern := range []string{"iqn.2026-11.com.example:*", "*:HOST-?", "!*:host-7", "*:host"} {
		fmt.Println(pattern, fabric.Match(pattern, name))
	}
	// Output:
	// iqn.2026-11.com.example:* true
	// *:HOST-? true
	// !*:host-7 false
	// *:host false
}

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"?", "", false},
		{"a*b*c", "aXXbYYc", true},
		{"a*b*c", "aXXcYYb", false},
		{"*aab", "aaab", true},
		{"a**b", "ab", true},
		{"!a", "b", true},
		{"!a", "A", false},
		{"!!a", "!a", false}, // only the first one inverts
		{"!!a", "a", true},
		{"50:01:*", "50:01:43:80", true},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, fabric.Match(tt.pattern, tt.name), "%q %q", tt.pattern, tt.name)
	}
}

// TestMatchIsNotExponential would not end if it were.
func TestMatchIsNotExponential(t *testing.T) {
	require.False(t, fabric.Match(strings.Repeat("a*", 200)+"b", strings.Repeat("a", 20000)))
}

// FuzzMatch compares with a regular expression that says the same.
func FuzzMatch(f *testing.F) {
	f.Add("iqn.*:host?", "iqn.2026:host1")
	f.Add("!*a", "bca")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		for _, s := range []string{pattern, name} {
			for i := range len(s) {
				if s[i] >= 0x80 {
					return // letters beyond ASCII fold in ways of their own
				}
			}
		}
		p, invert := strings.CutPrefix(pattern, "!")
		var re strings.Builder
		re.WriteString(`(?is)\A`)
		for i := range len(p) {
			switch p[i] {
			case '*':
				re.WriteString(`.*`)
			case '?':
				re.WriteString(`.`)
			default:
				re.WriteString(regexp.QuoteMeta(p[i : i+1]))
			}
		}
		re.WriteString(`\z`)
		want := regexp.MustCompile(re.String()).MatchString(name) != invert
		require.Equal(t, want, fabric.Match(pattern, name))
	})
}
