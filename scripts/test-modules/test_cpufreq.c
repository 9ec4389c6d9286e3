// SPDX-License-Identifier: GPL-2.0
/*
 * A cpufreq driver without hardware: each CPU has two frequencies, which are read and
 * written on the CPU itself, as those of MSRs are.
 */
#include <linux/cpufreq.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/smp.h>

static struct cpufreq_frequency_table test_table[] = {
	{ .frequency = 1000000 },
	{ .frequency = 2000000 },
	{ .frequency = CPUFREQ_TABLE_END },
};

static DEFINE_PER_CPU(unsigned int, test_frequency) = 1000000;

static void test_read(void *frequency)
{
	*(unsigned int *)frequency = __this_cpu_read(test_frequency);
}

static void test_write(void *frequency)
{
	__this_cpu_write(test_frequency, *(unsigned int *)frequency);
}

static unsigned int test_get(unsigned int cpu)
{
	unsigned int frequency = 0;

	smp_call_function_single(cpu, test_read, &frequency, 1);
	return frequency;
}

static int test_target_index(struct cpufreq_policy *policy, unsigned int index)
{
	unsigned int frequency = test_table[index].frequency;

	return smp_call_function_single(policy->cpu, test_write, &frequency, 1);
}

static int test_init_policy(struct cpufreq_policy *policy)
{
	policy->freq_table = test_table;
	return 0;
}

static struct cpufreq_driver test_driver = {
	.name		= "isolation-test",
	.init		= test_init_policy,
	.verify		= cpufreq_generic_frequency_table_verify,
	.target_index	= test_target_index,
	.get		= test_get,
};

static int __init test_init(void)
{
	return cpufreq_register_driver(&test_driver);
}
module_init(test_init);

static void __exit test_exit(void)
{
	cpufreq_unregister_driver(&test_driver);
}
module_exit(test_exit);

MODULE_DESCRIPTION("A cpufreq driver for tests");
MODULE_LICENSE("GPL");
