package fabric

import "strings"

// Match reports whether an initiator's name fits a pattern: `*` stands for any
// characters, `?` for one, letters match without case, and a leading `!` inverts the
// match of the rest. It takes time proportional to len(pattern) * len(name) at most.
func Match(pattern, name string) bool {
	if rest, ok := strings.CutPrefix(pattern, "!"); ok {
		return !glob(rest, name)
	}
	return glob(pattern, name)
}

func glob(p, s string) bool {
	p, s = strings.ToLower(p), strings.ToLower(s)
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
