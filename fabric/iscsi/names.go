package iscsi

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxNameLen is the longest iSCSI name in bytes of UTF-8 (RFC 7143 4.2.7.1).
const maxNameLen = 223

var (
	errNameLength = errors.New("iscsi: a name has 1 to 223 bytes")
	errNameUTF8   = errors.New("iscsi: a name is UTF-8")
	errNameType   = errors.New("iscsi: a name is of type iqn, eui or naa")
)

// CheckName reports whether name is a valid iSCSI name: of type iqn., eui. or naa., with
// the syntax of its type (RFC 7143 4.2.7.5 to 4.2.7.7), made of the characters that RFC 3722
// leaves, and not too long. Upper-case letters are allowed; they count as lower-case ones.
// It is meant for the names that an application gives to its targets: initiators may have
// names of any form.
func CheckName(name string) error {
	s, err := normalizeName(name)
	if err != nil {
		return err
	}
	if strings.Contains(s, "_") {
		return fmt.Errorf("iscsi: %q has an underscore, which RFC 3722 forbids", name)
	}
	ok := false
	switch kind, rest, _ := strings.Cut(s, "."); kind {
	case "iqn":
		ok = checkIQN(rest)
	case "eui":
		ok = len(rest) == 16 && isHex(rest)
	case "naa":
		ok = (len(rest) == 16 || len(rest) == 32) && isHex(rest)
	default:
		return errNameType
	}
	if !ok {
		return fmt.Errorf("iscsi: %q has not the form of a name of its type", name)
	}
	return nil
}

// checkIQN checks what follows "iqn.": year and month, a reversed domain name, and, after
// a colon, whatever its owner likes (RFC 7143 4.2.7.5).
func checkIQN(s string) bool {
	if len(s) < 8 || s[4] != '-' || s[7] != '.' || !isDigits(s[:4]) || !isDigits(s[5:7]) {
		return false
	}
	if month := s[5:7]; month < "01" || month > "12" {
		return false
	}
	domain, local, colon := strings.Cut(s[8:], ":")
	if colon && local == "" {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

// normalizeName returns the form in which iSCSI names are compared, or why s cannot be one.
// It does what RFC 3722 asks for as far as the standard library goes: letters become
// lower-case; ASCII punctuation but "-.:", blanks, control, format, private-use and
// unassigned characters are refused. The underscore, though forbidden, passes, for names
// with it are in use. Unicode normalization (NFKC) is not done: two spellings of a name that
// differ in it are two names. Characters that stringprep would drop are refused instead.
func normalizeName(s string) (string, error) {
	if len(s) == 0 || len(s) > maxNameLen {
		return "", errNameLength
	}
	if !utf8.ValidString(s) {
		return "", errNameUTF8
	}
	for _, r := range s {
		if !nameRune(r) {
			return "", fmt.Errorf("iscsi: %q is not allowed in a name", r)
		}
	}
	l := strings.Map(unicode.ToLower, s)
	if len(l) > maxNameLen { // a few letters grow
		return "", errNameLength
	}
	return l, nil
}

// nameRune reports whether a name may contain r.
func nameRune(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return true
	case r == '-', r == '.', r == ':', r == '_':
		return true
	case r < utf8.RuneSelf, r == '\u3002': // the latter is a full stop to people
		return false
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S)
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}
