"""The words of AutoGluon's families, and its presets' names: a slip, which libraries may ignore, is refused here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pipeline.errors import nearest
from pipeline.models._autogluon_cost import RATES

NEAR = 0.85
"""How alike (difflib's ratio) an unknown word must be to a known one to be a slip; others may be new parameters."""

_FOREST = """
    bootstrap ccp_alpha class_weight criterion max_depth max_features max_leaf_nodes max_samples
    min_impurity_decrease min_samples_leaf min_samples_split min_weight_fraction_leaf monotonic_cst n_estimators
    n_jobs oob_score random_state verbose warm_start
"""
WORDS: Mapping[str, frozenset[str]] = {
    family: frozenset(words.split())
    for family, words in {
        "GBM": """
            alpha bagging_by_query bagging_fraction bagging_freq bagging_seed boost_from_average boosting
            boosting_type cat_l2 cat_smooth colsample_bynode colsample_bytree data_random_seed data_sample_strategy
            deterministic device_type drop_rate drop_seed early_stopping_min_delta early_stopping_round
            early_stopping_rounds enable_bundle eta extra_seed extra_tree extra_trees fair_c feature_fraction
            feature_fraction_bynode feature_fraction_seed force_col_wise force_row_wise interaction_constraints
            is_unbalance lambda_l1 lambda_l2 learning_rate linear_lambda linear_tree linear_trees max_bin
            max_bin_by_feature max_bins max_cat_threshold max_cat_to_onehot max_delta_step max_depth max_drop
            max_leaf max_leaf_nodes max_leaves metric min_child_samples min_child_weight min_data min_data_in_bin
            min_data_in_leaf min_data_per_group min_data_per_leaf min_gain_to_split min_samples_leaf min_split_gain
            min_sum_hessian_in_leaf min_sum_hessian_per_leaf monotone_constraints monotone_constraints_method
            monotone_penalty n_estimators neg_bagging_fraction neg_subsample num_boost_round num_class
            num_grad_quant_bins num_iteration num_iterations num_leaf num_leaves num_round num_rounds num_threads
            num_tree num_trees objective objective_seed other_rate path_smooth pos_bagging_fraction pos_subsample
            random_seed random_state refit_decay_rate reg_alpha reg_lambda reg_sqrt scale_pos_weight seed sigmoid
            skip_drop sub_feature sub_row subsample subsample_freq top_k top_rate tree_learner
            tweedie_variance_power uniform_drop use_missing use_quantized_grad verbosity weight_column
            xgboost_dart_mode zero_as_missing
        """,
        "XGB": """
            alpha base_score booster colsample_bylevel colsample_bynode colsample_bytree device
            early_stopping_rounds enable_categorical eta eval_metric feature_types feature_weights gamma grow_policy
            importance_type interaction_constraints lambda learning_rate max_bin max_cat_threshold max_cat_to_onehot
            max_delta_step max_depth max_leaves min_child_weight min_split_loss missing monotone_constraints
            multi_strategy n_estimators n_jobs num_parallel_tree objective random_state reg_alpha reg_lambda
            sampling_method scale_pos_weight seed subsample tree_method verbosity
        """,
        "CAT": """
            allow_const_label approx_on_full_history auto_class_weights bagging_temperature best_model_min_trees
            boost_from_average boosting_type bootstrap_type border_count class_weights colsample_bylevel
            combinations_ctr counter_calc_method ctr_history_unit ctr_leaf_count_limit ctr_target_border_count depth
            diffusion_temperature early_stopping_rounds eta eval_metric feature_border_type feature_weights
            final_ctr_computation_mode first_feature_use_penalties fold_len_multiplier fold_permutation_block
            grow_policy has_time iterations l2_leaf_reg langevin leaf_estimation_backtracking
            leaf_estimation_iterations leaf_estimation_method learning_rate loss_function max_bin max_ctr_complexity
            max_depth max_leaves min_child_samples min_data_in_leaf model_shrink_mode model_shrink_rate
            model_size_reg monotone_constraints mvs_reg n_estimators nan_mode num_boost_round num_leaves num_trees
            objective od_pval od_type od_wait one_hot_max_size penalties_coefficient per_feature_ctr
            per_object_feature_penalties posterior_sampling random_score_type random_seed random_state
            random_strength reg_lambda rsm sampling_frequency sampling_unit scale_pos_weight score_function
            simple_ctr store_all_simple_ctr subsample task_type thread_count use_best_model verbose
        """,
        "LR": """
            C fit_intercept max_iter penalty solver tol vectorizer_dict_size
        """,
        "KNN": """
            algorithm leaf_size metric n_jobs n_neighbors p weights
        """,
        "NN_TORCH": """
            activation batch_size dropout_prob embed_exponent embedding_size_factor epochs_wo_improve hidden_size
            learning_rate loss_function max_batch_size max_embedding_dim num_epochs num_layers optimizer seed_value
            use_batchnorm use_ngram_features weight_decay y_range y_range_extend
        """,
        "TABM": """
            allow_amp arch_type average_logits batch_size bool_to_cat compile_model d_block d_embedding dropout
            eval_batch_size gradient_clipping_norm lr n_blocks n_epochs num_emb_n_bins num_emb_type patience
            random_state share_training_batches tabm_k weight_decay
        """,
        "REALMLP": "",  # it refuses what it does not know by itself
        "RF": _FOREST,
        "XT": _FOREST,
    }.items()
}
"""Parameters that LightGBM 4, XGBoost 3, CatBoost 1.2, scikit-learn 1 and AutoGluon 1 document, by family."""


_REFUSED = {
    "optimize_for_deployment": "deletes what new rows are predicted with",
    **dict.fromkeys(("ignore_text", "ignore_text_ngrams"), "is about columns of text, which AutoGluon is not given"),
    "interpretable": "needs another encoder and the package imodels",
    **dict.fromkeys(("extreme_quality_v140", "extreme_v140", "experimental_quality_v140"), "has no models of its own"),
}
_PRESETS = """
    best best_quality best_quality_v082 best_quality_v140 best_quality_v150 best_v140 best_v150 bq eq
    experimental_quality_v120 extreme extreme_quality extreme_quality_v150 extreme_v150 extreme_v160 good good_quality
    good_quality_faster_inference_only_refit good_quality_v082 gq high high_quality
    high_quality_fast_inference_only_refit high_quality_v082 high_quality_v150 high_v150 hq medium medium_quality
    medium_quality_faster_train mq noncommercial noncommercial_v160 tabarena
"""
PRESETS = frozenset(_PRESETS.split())
"""AutoGluon's presets by all their names, without those that are refused."""


def check_preset(name: str) -> None:
    """Raise ValueError for a preset that there is not, or that has no place here."""
    if name in _REFUSED:
        raise ValueError(f"AutoGluon's preset '{name}' {_REFUSED[name]}")
    if name not in PRESETS:
        raise ValueError(f"AutoGluon has no preset '{name}', {nearest(name, PRESETS)}")


def check(models: Mapping[Any, Iterable[Mapping[str, Any]]]) -> None:
    """Raise ValueError for a word that is nearly a known one, and for steps or a learning rate that are no number."""
    for family, configs in models.items():
        for config in configs:
            for word in config:
                _check_word(family, word)
            _check_numbers(family, config)


def _check_word(family: str, word: str) -> None:
    close = get_close_matches(word.lower(), WORDS[family], n=1, cutoff=NEAR)
    if close and word not in WORDS[family]:
        raise ValueError(f"{family} has no parameter '{word}', did you mean '{close[0]}'?")


def _check_numbers(family: str, config: Mapping[str, Any]) -> None:
    for word, kinds, wanted in (
        (RATES[family].name, int, "a whole number"),
        ("learning_rate", int | float, "a number"),
        ("lr", int | float, "a number"),
    ):
        value = config.get(word, 1)
        if not isinstance(value, kinds) or isinstance(value, bool) or value <= 0:
            raise ValueError(f"{family} {word}: expected {wanted} above 0, found {value!r}")
