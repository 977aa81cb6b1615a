package uring_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goscst/goscst/backstore"
	"github.com/goscst/goscst/backstore/uring"
)

func TestUnsupportedSystem(t *testing.T) {
	s, err := uring.Open("no-such-file", nil)
	require.Error(t, err)
	require.Nil(t, s)
	require.Equal(t, runtime.GOOS != "linux", errors.Is(err, errors.ErrUnsupported))
	var _ backstore.Submitter = s
}
