"""The page in a browser: its modules alone, and all of it over real processes."""

import pytest

pytest.register_assert_rewrite("tests.page.shop", "tests.page.desk")
