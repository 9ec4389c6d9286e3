// SPDX-License-Identifier: GPL-2.0
/*
 * A second clock source that a kernel can run on. The kernels of this project have no
 * ACPI, and then an emulated machine has none but the TSC.
 */
#include <linux/clocksource.h>
#include <linux/module.h>

static u64 test_read(struct clocksource *cs)
{
	return rdtsc_ordered();
}

static struct clocksource test_clocksource = {
	.name	= "isolation-test",
	.rating	= 50,
	.read	= test_read,
	.mask	= CLOCKSOURCE_MASK(64),
	.flags	= CLOCK_SOURCE_IS_CONTINUOUS | CLOCK_SOURCE_VALID_FOR_HRES,
};

static int __init test_init(void)
{
	return clocksource_register_khz(&test_clocksource, tsc_khz);
}
module_init(test_init);

static void __exit test_exit(void)
{
	clocksource_unregister(&test_clocksource);
}
module_exit(test_exit);

MODULE_DESCRIPTION("A clock source for tests");
MODULE_LICENSE("GPL");
