"""T2T's metrics that t2tlite doesn't compute; evaluation of a problem with one logs a warning."""

NOT_COMPUTED = {
    "ABS_ERR": "mean_absolute_error",
    "ACC_MULTILABEL_MATCH3": "accuracy_multilabel_match3",
    "EDIT_DISTANCE": "edit_distance",
    "IMAGE_SUMMARY": "image_summary",
    "LOG_POISSON": "log_poisson",
    "R2": "r_squared",
    "ROC_AUC": "roc_auc",
    "ROUGE_1_F": "rouge_1_fscore",
    "SET_PRECISION": "set_precision",
    "SET_RECALL": "set_recall",
    "SIGMOID_ACCURACY_ONE_HOT": "sigmoid_accuracy_one_hot",
    "SIGMOID_CROSS_ENTROPY_ONE_HOT": "sigmoid_cross_entropy_one_hot",
    "SIGMOID_PRECISION_ONE_HOT": "sigmoid_precision_one_hot",
    "SIGMOID_RECALL_ONE_HOT": "sigmoid_recall_one_hot",
    "SOFTMAX_CROSS_ENTROPY_ONE_HOT": "softmax_cross_entropy_one_hot",
    "TWO_CLASS_ACCURACY": "two_class_accuracy",
    "TWO_CLASS_LOG_LIKELIHOOD": "two_class_log_likelihood",
    "UNPADDED_MSE": "unpadded_mse",
    "WORD_ERROR_RATE": "word_error_rate",
}
