package peers

import (
	"os"
	"os/exec"
	"testing"
)

// requireVar is the environment variable that makes a missing tool a failure when it is 1.
const requireVar = "GOSCST_REQUIRE_TOOLS"

// Tool returns the path of a program that the test t needs. Where it is not installed the test is
// skipped, or fails if tools are required; debian is the package to install then.
func Tool(t testing.TB, name, debian string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed (Debian package "+debian+")")
	}
	return path
}

// missing ends the test for want of something that this machine could have.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(requireVar) == "1" {
		t.Fatalf("%s, and %s=1", what, requireVar)
	}
	t.Skip(what)
}
